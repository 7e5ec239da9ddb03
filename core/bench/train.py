"""Training speed of the engine compared with the usual PyTorch script: `python -m core bench train`.

Both train the same model on the same images with the same batch size, optimizer and kind of augmentation, in
alternating rounds, so that the ratio holds on a machine whose speed drifts.
"""

import contextlib
import itertools
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from core.bench.kernels import kernels_per_step
from core.config import TrainConfig
from core.data.dataset import load_split
from core.errors import DataError
from core.evaluation.inference import BATCH, class_probabilities
from core.labels import LABELS
from core.models.cnn import build_model
from core.presets import make_config
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.records import RunStatus
from core.training.compute import Compute, choose_compute, tensor_on, to_device
from core.training.loop import Stopped, train
from core.training.optim import build_optimizers
from core.training.reporter import StatusReporter
from core.training.utilisation import flop_per_image, peak_of, time_on

NO_TRAINERS: Final = ("best_bare_step", "best_whole_epochs", "validation")
"""What is measured beside the steps of trainings."""

BATCH_SIZES: Final = {"cpu": (128,), "cuda": (128, 512, 1024)}
"""Images per step that are measured by default: a GPU is not busy with few."""

UNTIMED_STEPS: Final = {"cpu": 1, "cuda": 10}
"""Steps before the clock starts: libraries choose algorithms, kernels are compiled, and a GPU's graph is captured."""

WHOLE_EPOCHS: Final = 4
"""Epochs with validation and checkpoints that are trained on a GPU; the first one is not timed."""

ON_A_GPU: Final = {"best_eager": {"cuda_graph": False}, "best_compiled": {"compile": True}}
"""The preset `best` otherwise than it trains on a GPU, as a captured graph of PyTorch's own kernels: with its kernels
started one by one, and with compiled ones, in a graph, too."""

QUIET: Final = 0.2
"""How far apart the rounds of a variant may be, as a fraction of their median, where nothing else computes."""


def measure_training(
    data_root: Path, dataset: str, *, batch_size: int = 128, steps: int = 8, rounds: int = 3
) -> dict[str, Any]:
    """Images per second of the usual script and of the engine, and their ratios.

    Args:
        data_root: the folder of the datasets.
        dataset: its name.
        batch_size: images per step, for all.
        steps: timed steps per round, after those that are not; fewer if an epoch has fewer.
        rounds: per variant; the medians are reported.

    Returns:
        Plain values for JSON. `unquiet` names the variants whose rounds are further apart than `QUIET`: other processes
        took part. `overhead_of_best` is what augmentation, logging, EMA weights and validation add to an
        epoch of the preset `best`, as a fraction of the bare steps: forward, backward and optimizer on one batch. On a
        GPU it is None: there the bare steps are started kernel by kernel, and those of `best` are a graph.
        `seconds_per_epoch_with_validation` is of `best`: on a GPU that of whole epochs, checkpoints included; on a CPU,
        where an epoch takes a minute, the sum of its parts.

    Raises:
        DataError: the dataset is not imported, or has too few training images for this batch size.
    """
    train_images, validation_images = (len(load_split(data_root, dataset, split)) for split in ("train", "validation"))
    base = make_config("original", {"dataset": dataset, "batch_size": batch_size})
    automatic, plain = base, base.model_copy(update={"precision": "float32"})
    best = make_config("best", {"dataset": dataset, "batch_size": batch_size})
    compute = choose_compute(base)
    steps = min(steps, train_images // batch_size - UNTIMED_STEPS[compute.device.type] - 1)
    if steps < 1:
        raise DataError(f"Dataset {dataset!r} has too few training images for a batch size of {batch_size}.")
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        images = Path(folder, "images")
        _write_image_folder(images, data_root, dataset, (steps + 1) * batch_size)
        contenders: dict[str, tuple[Callable[..., float], tuple[Any, ...]]] = {
            "script": (_usual_script, (images, batch_size, steps, compute.device)),
            "engine": (_engine, (Path(folder, "a"), automatic, data_root, steps)),
            "engine_float32": (_engine, (Path(folder, "b"), plain, data_root, steps)),
            "best": (_engine, (Path(folder, "c"), best, data_root, steps)),
            **_other_ways(compute.device, best, Path(folder), data_root, steps),
            "best_bare_step": (_bare_step, (best, steps)),
            "validation": (_validation, (best, data_root)),
        }
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        memory: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            # One process each: the engine configures its process's memory, which must not affect the script.
            spawn = multiprocessing.get_context("spawn")
            pools = {name: stack.enter_context(ProcessPoolExecutor(1, spawn)) for name in contenders}
            for _ in range(rounds):
                for name, (contender, arguments) in contenders.items():
                    rates[name].append(pools[name].submit(contender, *arguments).result())
                    memory[name] = pools[name].submit(_peak_memory).result()
    peak = peak_of(compute)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(rates[name], rates["script"], strict=True))
        for name in rates
        if name != "script" and name not in NO_TRAINERS
    }
    bare_epoch = train_images / medians["best_bare_step"]
    if "best_whole_epochs" in medians:
        whole_epoch = train_images / medians["best_whole_epochs"]
    else:
        whole_epoch = train_images / medians["best"] + validation_images / medians["validation"]
    return {
        "device": compute.title,
        "batch_size": batch_size,
        "images_per_second": {name: round(value, 1) for name, value in medians.items()},
        "ratio": {name: round(value, 2) for name, value in ratios.items()},
        "seconds_per_epoch": {name: round(train_images / medians[name], 3) for name in ("script", *ratios)},
        "seconds_per_epoch_with_validation": round(whole_epoch, 3),
        "kernels_per_step": {
            "engine": kernels_per_step(base).total(),
            "best": kernels_per_step(best).total(),
        },
        "overhead_of_best": None if compute.device.type == "cuda" else round(whole_epoch / bare_epoch - 1, 3),
        "peak_gflops": round(peak.flop_per_second / 1e9, 1),
        "peak_source": peak.source,
        "fraction_of_peak": {
            name: round(medians[name] * flop_per_image(base.model) / peak.flop_per_second, 3)
            for name in ("script", *ratios)
        },
        "unquiet": [name for name, values in rates.items() if _spread(values) > QUIET],
        "peak_memory_bytes": memory,
        "rounds": {name: [round(value, 1) for value in values] for name, values in rates.items()},
    }


def _other_ways(
    device: torch.device, best: TrainConfig, folder: Path, data_root: Path, steps: int
) -> dict[str, tuple[Callable[..., float], tuple[Any, ...]]]:
    """Further contenders: on a GPU, the ways to start the kernels of `best`, and its whole epochs."""
    if device.type != "cuda":
        return {}
    ways: dict[str, tuple[Callable[..., float], tuple[Any, ...]]] = {
        name: (_engine, (folder / name, best.model_copy(update=changes), data_root, steps))
        for name, changes in ON_A_GPU.items()
    }
    return {**ways, "best_whole_epochs": (_whole_epochs, (folder / "whole", best, data_root))}


def _spread(values: list[float]) -> float:
    """How far apart values are, as a fraction of their median."""
    return (max(values) - min(values)) / statistics.median(values)


def _usual_script(images: Path, batch_size: int, steps: int, device: torch.device) -> float:
    """Images per second of what tutorials do: ImageFolder, DataLoader, float32, Adam, a read of the loss each step."""
    transform = transforms.Compose(
        [
            transforms.Grayscale(num_output_channels=1),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(10),
            transforms.ToTensor(),
        ]
    )
    loader = DataLoader(ImageFolder(str(images), transform), batch_size=batch_size, shuffle=True, num_workers=2)
    model = build_model("cnn-model-2").to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    model.train()
    started, done, total = time.monotonic(), 0, 0.0
    for number, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        loss = criterion(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        total += loss.item()
        if number == 0:
            started = time.monotonic()  # the first step also starts the loader's processes
        else:
            done += len(y)
        if number == steps:
            break
    return done / (time.monotonic() - started)


def _engine(folder: Path, config: TrainConfig, data_root: Path, steps: int) -> float:
    """Images per second of the steps of `train` itself, without its first ones."""
    compute = choose_compute(config)
    first = UNTIMED_STEPS[compute.device.type]
    last = first + steps
    images = (last + 1) * config.batch_size
    config = config.model_copy(update={"epochs": 1, "images_per_epoch": images, "fade_epochs": 0})  # full augmentation
    done = itertools.count()
    times: list[float] = []

    def stop_asked() -> bool:
        """Asked before each batch: before the first and after the last timed one the clock is read, once the device has
        done what it was given."""
        batches = next(done)
        if batches in (first, last):
            times.append(time_on(compute.device))
        return batches >= last

    with contextlib.suppress(Stopped):
        _train(folder, config, data_root, compute, stop_asked)
    started, ended = times
    return steps * config.batch_size / (ended - started)


def _whole_epochs(folder: Path, config: TrainConfig, data_root: Path, epochs: int = WHOLE_EPOCHS) -> float:
    """Images per second of whole epochs of `train`, with validation and a checkpoint every second; without the first
    epoch, whose steps are prepared."""
    config = config.model_copy(update={"epochs": epochs, "checkpoint_seconds": 1, "fade_epochs": 0})
    paths = _train(folder, config, data_root, choose_compute(config), lambda: False)
    ends = [row["elapsed_s"] for row in read_rows(paths.epochs)[0]]
    images = read_rows(paths.steps)[0][-1]["step"] // epochs * config.batch_size
    return images * (epochs - 1) / (ends[-1] - ends[0])


def _train(
    folder: Path, config: TrainConfig, data_root: Path, compute: Compute, stop_asked: Callable[[], bool]
) -> RunPaths:
    """Train a run in a folder of its own."""
    paths = create_run(folder, config)
    reporter = StatusReporter(paths, RunStatus(created_at=datetime.now(UTC)))
    train(paths, config, None, data_root, compute, reporter, stop_asked)
    return paths


def _bare_step(config: TrainConfig, steps: int) -> float:
    """Images per second of forward, backward and optimizer alone, on one batch of noise."""
    compute = choose_compute(config)
    model = to_device(build_model(config.model), compute).train()
    optimizers = build_optimizers(model, config)
    x = torch.rand(config.batch_size, 1, 48, 48, device=compute.device).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 7, (config.batch_size,), device=compute.device)
    started = time_on(compute.device)
    for number in range(steps + 1):
        with compute.autocast():
            logits = model(x).float()
        nn.functional.cross_entropy(logits, y, label_smoothing=config.label_smoothing).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if number == 0:
            started = time_on(compute.device)
    return steps * config.batch_size / (time_on(compute.device) - started)


def _validation(config: TrainConfig, data_root: Path) -> float:
    """Images per second of the scoring after each epoch, on all validation images."""
    compute = choose_compute(config)
    model = to_device(build_model(config.model), compute)
    images = tensor_on(load_split(data_root, config.dataset, "validation").images, compute)
    # A whole batch and one as small as the last: cuDNN searches once for each shape, which an epoch does not pay for.
    class_probabilities(model, images[: BATCH + len(images) % BATCH])
    started = time_on(compute.device)
    class_probabilities(model, images)
    return len(images) / (time_on(compute.device) - started)


def _write_image_folder(folder: Path, data_root: Path, dataset: str, count: int) -> None:
    """JPEG files in class folders, as the dataset is published."""
    split = load_split(data_root, dataset, "train")
    chosen = np.random.default_rng(0).integers(0, len(split), count)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
    for number, index in enumerate(chosen):
        Image.fromarray(np.asarray(split.images[index])).save(folder / LABELS[split.labels[index]] / f"{number}.jpg")


def _peak_memory() -> int:
    """Most bytes of memory this process has used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
