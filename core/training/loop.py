"""The training loop, top to bottom: data on the device, steps, epochs, the best weights, the final evaluation.

Randomness is a function of seed and position alone: order, augmentation and dropout are seeded for each epoch and
step. So a run that is stopped at any batch and resumed ends bit-identical (on a CPU) to one that never stopped.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.config import TrainConfig
from core.evaluation.inference import class_probabilities
from core.evaluation.metrics import log_loss
from core.review.corrections import Corrections
from core.runs.paths import RunPaths
from core.runs.resume import require_checkpoint, require_newest
from core.runs.teachers import soft_label_tables, teaching_of
from core.training.batch_norm import compute_statistics
from core.training.best import BestWeights, restore_best
from core.training.checkpoint import Parts, TrainingProgress, load_checkpoint
from core.training.checkpointer import Checkpointer
from core.training.compute import Compute, to_device
from core.training.event_file import EventFile
from core.training.final_report import report
from core.training.optim import EmaWeights, build_optimizers, rate_factor
from core.training.recorder import Recorder, SystemMonitor
from core.training.reporter import StatusReporter
from core.training.step import CudaGraph, TrainingStep, step_values
from core.training.teachers import initial_model, load_teachers
from core.training.train_data import TrainData, alternating_flips, epoch_order, load_data, step_seed
from core.training.utilisation import flop_per_image, peak_of

log = logging.getLogger("train")


class Stopped(Exception):
    """The run was asked to stop; its checkpoint is on disk."""


def train(
    paths: RunPaths,
    config: TrainConfig,
    corrections: Corrections | None,
    data_root: Path,
    compute: Compute,
    status: StatusReporter,
    stop_asked: Callable[[], bool],
) -> None:
    """Train one run from its checkpoint, or from the start, to its end.

    Args:
        paths: its folder.
        config: its settings.
        corrections: what `corrections_of` finds in its folder.
        data_root: where its dataset is.
        compute: where to compute.
        status: keeps `status.json` current.
        stop_asked: asked before each batch.

    Raises:
        Stopped: `stop_asked` said yes; a checkpoint holds everything done so far.
        TrainingError: a training or validation loss is not finite; the kept weights are from before.
        DataError: the dataset is missing or corrupt.
        RunError: the checkpoint is missing, corrupt, from other data or older than the metrics, the weights of its
            best epoch are gone, or a run that it learns from is not as it was. Nothing was changed.
    """
    require_checkpoint(paths)
    teaching = teaching_of(paths, config)
    data = load_data(config, data_root, compute, corrections, soft_label_tables(paths.root, teaching))
    teachers = load_teachers(paths.root, teaching, config.distillation_temperature, compute)
    operations, peak = flop_per_image(config.model), peak_of(compute)
    status.update(flop_per_image=operations, peak_flop_per_second=peak.flop_per_second, peak_source=peak.source)
    torch.manual_seed(config.seed)
    model = to_device(initial_model(paths, teaching, config.model), compute)
    optimizers = build_optimizers(model, config)
    average = EmaWeights(model, config.ema_decay) if config.ema_decay else None
    evaluated = average.model if average else model  # the weights that are evaluated and kept
    parts = Parts(model, optimizers, average.model if average else None, data.identity)
    progress = TrainingProgress()
    if paths.checkpoint.exists():
        progress, file = load_checkpoint(paths.checkpoint, parts, compute.device)
        require_newest(paths, progress.step)
        log.info("resuming after %d epochs and %d batches", progress.epoch, progress.batch)
        try:
            restore_best(paths, config, data, compute, progress, evaluated, file, lambda: not stop_asked())
        except InterruptedError:
            raise Stopped from None
    graph = CudaGraph if config.cuda_graph and compute.device.type == "cuda" else None
    step = TrainingStep(model, optimizers, average, data, config, compute, graph, teachers)
    record = Recorder(paths, config, data, progress, status)
    if progress.epoch:
        record.write_summary(progress)
    checkpoints = Checkpointer(paths, data, record, progress, parts, config.checkpoint_seconds)
    total_steps = config.epochs * data.batches

    with (
        SystemMonitor(paths.system, record.elapsed, compute.device),
        EventFile(paths, config, total_steps),
        checkpoints,
    ):
        while not _is_over(progress, config):
            order = epoch_order(config.seed, progress.epoch, data)  # (images per epoch,)
            steps = range(progress.step - progress.batch, progress.step - progress.batch + data.batches)
            values = step_values(config, optimizers, average, steps, total_steps, compute.device)
            alternating = config.flip and config.flip_mode == "alternating"
            mirrored = alternating_flips(config.seed, progress.epoch, data) if alternating else None
            step.start_epoch(_augmentation_strength(progress.epoch, config), mirrored)
            record.start_epoch()

            while progress.batch < data.batches:
                if stop_asked():
                    checkpoints.save(wait=True)
                    raise Stopped

                chosen = order[progress.batch * data.batch_size :][: data.batch_size]
                result = step(chosen, values[progress.batch], step_seed(config.seed, progress.step))
                rate = config.learning_rate * rate_factor(config, progress.step, total_steps)
                progress.batch += 1
                progress.step += 1
                record.step(result, rate)
                if checkpoints.due:
                    checkpoints.save()

            status.update(activity="validating")
            try:
                if config.batch_norm_images:
                    compute_statistics(
                        evaluated, data, config.batch_norm_images, config.seed, compute, lambda: not stop_asked()
                    )
                # In exact float32, as the evaluation at the end: an epoch has one validation accuracy.
                probabilities = class_probabilities(
                    evaluated, data.validation_images, keep_going=lambda: not stop_asked()
                )
            except InterruptedError:
                checkpoints.save(wait=True)
                raise Stopped from None
            rate = config.learning_rate * rate_factor(config, progress.step - 1, total_steps)
            row = record.epoch_row(_validation_metrics(data, probabilities), rate)
            best = None
            if _score(row) > (_score(progress.best) if progress.best else -1.0):
                best = BestWeights.of(evaluated, row, probabilities.cpu().numpy())
                progress.best = row
            progress.last = row
            progress.epoch, progress.batch, progress.loss_sum, progress.correct = progress.epoch + 1, 0, 0.0, 0
            checkpoints.end_epoch(row, best, last=_is_over(progress, config))
            log.info(
                "epoch %(epoch)d: train loss %(train_loss).4f, accuracy %(train_accuracy).4f; "
                "validation loss %(validation_loss).4f, accuracy %(validation_accuracy).4f; %(seconds).1f s, "
                "%(speed)s images/s, %(utilization)s",
                row | {"speed": row["images_per_second"], "utilization": status.status.utilization},
            )

        checkpoints.wait()

        def keep_going() -> bool:
            status.update(activity="evaluating", eta_seconds=None)
            return not stop_asked()

        try:
            evaluation = report(paths, config, corrections, data_root, compute, keep_going)
        except InterruptedError:
            raise Stopped from None
        record.write_summary(record.totals(progress), evaluation)
    record.close()


def _validation_metrics(data: TrainData, probabilities: Tensor) -> dict[str, float]:
    """Loss and accuracy on validation as imported and, with label corrections, as corrected."""
    labels, values = data.validation.labels, probabilities.cpu().numpy()
    figures = _loss_and_accuracy("validation", labels, values)
    if data.corrected:
        kept = data.corrected.kept
        figures |= _loss_and_accuracy("corrected_validation", data.corrected.labels[kept], values[kept])
    return figures


def _loss_and_accuracy(name: str, labels: np.ndarray, values: np.ndarray) -> dict[str, float]:
    return {
        f"{name}_loss": round(log_loss(labels, values), 5),
        f"{name}_accuracy": round(float((values.argmax(axis=1) == labels).mean()), 5),
    }


def _score(row: Mapping[str, Any]) -> float:
    """What epochs are selected by: validation accuracy, on the corrected labels if there are any."""
    return float(row.get("corrected_validation_accuracy", row["validation_accuracy"]))


def _augmentation_strength(epoch: int, config: TrainConfig) -> float:
    """1 until the last `fade_epochs`, then in equal steps to 0 in the last epoch."""
    if not config.fade_epochs:
        return 1.0
    return min(1.0, (config.epochs - 1 - epoch) / config.fade_epochs)


def _is_over(progress: TrainingProgress, config: TrainConfig) -> bool:
    """Whether all epochs are done, or as many without a better one as early stopping waits for."""
    waited = progress.epoch - progress.best["epoch"] if progress.best else 0
    return progress.epoch >= config.epochs or bool(config.early_stopping and waited >= config.early_stopping)
