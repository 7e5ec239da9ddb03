"""One training step, tensors in, tensors out: from the indices of a batch to moved weights, never waiting for a device.

On CUDA it is captured once as a CUDA graph, which then starts all of its kernels with one call: they take a few
microseconds each, less than Python takes to ask for them one by one. What changes from step to step is read from
tensors that stay where they are; random numbers come from the generator that each step seeds, in a graph as outside.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.config import TrainConfig
from core.labels import NUM_CLASSES
from core.models.preprocess import to_input
from core.training.asam import worst_neighbour
from core.training.augment import Augmentation, mixup
from core.training.compute import Compute
from core.training.optim import EmaWeights, peak_rates, rate_factor, set_rates
from core.training.teachers import Teachers, distillation_loss
from core.training.train_data import TrainData

_STEPS_BEFORE_CAPTURE: Final = 3
"""Libraries choose their algorithms and optimizers make their state in the first ones, which a graph cannot hold."""

log = logging.getLogger("train")


class Graph(Protocol):
    """A recorded sequence of kernels."""

    def capture(self, body: Callable[[], None]) -> None:
        """Record what the body asks the device for; nothing is computed.

        Raises:
            RuntimeError: something in it cannot be recorded.
        """

    def replay(self) -> None:
        """Compute it, with what its tensors hold now."""


class CudaGraph:
    """A `Graph` of CUDA."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, body: Callable[[], None]) -> None:
        before = torch.cuda.current_stream()
        try:
            # thread_local: what the thread that samples the use of the GPU asks for meanwhile is none of its business
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                body()
        finally:
            torch.cuda.set_stream(before)  # a capture that failed leaves its own as the current one

    def replay(self) -> None:
        self._graph.replay()


class TrainingStep:
    """Trains on one batch at a time.

    Args:
        model: in its channels-last layout, with the weights to go on from.
        optimizers: of its parameters, with their state to go on from.
        average: EMA weights of the model, if there are any.
        data: training images and labels, on the device.
        config: the settings of the run.
        compute: device and number format.
        graph: makes an empty graph to capture the step in; None to start kernel by kernel.
        teachers: whose predictions are learned beside the labels, if there are any.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: list[torch.optim.Optimizer],
        average: EmaWeights | None,
        data: TrainData,
        config: TrainConfig,
        compute: Compute,
        graph: Callable[[], Graph] | None,
        teachers: Teachers | None = None,
    ) -> None:
        self._model, self._optimizers, self._average, self._data = model, optimizers, average, data
        self._config, self._compute, self._new_graph, self._teachers = config, compute, graph, teachers
        self._forward = torch.compile(model) if config.compile else model
        self._augment = Augmentation(config)
        self._strength, self._done = 1.0, 0
        self._graph: Graph | None = None
        device = data.images.device
        self._chosen = torch.zeros(data.batch_size, dtype=torch.int64, device=device)
        self._mirrored: Tensor | None = None  # bool (N,)
        self._result = torch.zeros(2, device=device)
        self._row: Tensor | None = None
        self._side = torch.cuda.Stream() if device.type == "cuda" else None
        if graph or device.type == "cuda":  # read on the device, from one place: a number would have to come from there
            self._row = torch.zeros(len(peak_rates(optimizers)) + 1, device=device)
            self._set(list(self._row))
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["capturable"] = True  # or PyTorch refuses to be captured

    def start_epoch(self, strength: float, mirrored: Tensor | None) -> None:
        """Set what holds for all steps of an epoch.

        Args:
            strength: of the augmentation, 0..1; a graph is captured anew for each.
            mirrored: bool (N,), which training images to flip; by default drawn, if the settings have a flip.
        """
        if strength != self._strength:
            self._strength, self._graph = strength, None
        if mirrored is None or self._mirrored is None:
            self._mirrored = mirrored
        else:
            self._mirrored.copy_(mirrored)

    def __call__(self, chosen: Tensor, values: Tensor, seed: int) -> Tensor:
        """Train on one batch.

        Args:
            chosen: int64 (B,), indices of training images.
            values: a row of `step_values`.
            seed: of augmentation, mixup and dropout.

        Returns:
            float32 (2,), on the device: the loss, mean over the batch, and how many predictions were right. If the loss
            is not finite, the weights have not moved.
        """
        torch.manual_seed(seed)
        self._chosen.copy_(chosen)
        if self._row is None:
            self._set(values.tolist())
        else:
            self._row.copy_(values, non_blocking=True)
        if self._new_graph is None:
            self._compute_all()
        elif self._done < _STEPS_BEFORE_CAPTURE:
            self._compute_beside()
        else:
            self._replay(seed)
        self._done += 1
        return self._result.clone()

    def _set(self, values: Sequence[float | Tensor]) -> None:
        *rates, self._ema_weight = values
        set_rates(self._optimizers, rates)

    def _replay(self, seed: int) -> None:
        self._graph = self._graph or self._captured()
        if self._graph:
            self._graph.replay()
        else:
            torch.manual_seed(seed)
            self._compute_all()

    def _captured(self) -> Graph | None:
        """The step as a graph; None if it cannot be captured: then no other is tried."""
        assert self._new_graph
        graph = self._new_graph()
        try:
            graph.capture(self._compute_all)
        except RuntimeError as error:
            # The end of a capture that failed raises, too, and says only that it did.
            why = error.__context__ or error
            log.warning("The step can't be captured as a CUDA graph and runs kernel by kernel: %s", why)
            self._new_graph = None
            for optimizer in self._optimizers:
                optimizer.zero_grad(set_to_none=True)  # gradients that were recorded and never computed
            return None
        return graph

    def _compute_beside(self) -> None:
        """Compute on a stream of its own, as PyTorch asks for what is captured afterwards."""
        if self._side is None:
            self._compute_all()
            return
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            self._compute_all()
        torch.cuda.current_stream().wait_stream(self._side)

    def _compute_all(self) -> None:
        """The whole step, from and to tensors of this object."""
        config, model = self._config, self._model
        model.train()
        x, targets, labels = self._batch()
        taught = self._teachers(x) if self._teachers else None
        loss, logits = self._backward(x, targets, taught)
        if config.asam_rho:
            with worst_neighbour(model, config.asam_rho):
                nearby, _ = self._backward(x, targets, taught)
            loss = loss + (nearby - nearby)  # NaN if that one is not finite, else unchanged
        not_finite = (loss - loss).ne(0).float()  # 0 or 1: NaN and infinity minus themselves are NaN
        if config.gradient_clip:
            nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip, foreach=True)
        for optimizer in self._optimizers:
            optimizer.found_inf = not_finite  # type: ignore[attr-defined]  # PyTorch's word for: do not move
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self._average:
            self._average.update(self._ema_weight)
        correct = (logits.argmax(1) == labels).sum()
        torch.stack([loss, correct.float()], out=self._result)

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented images (B, 1, 48, 48), what to learn for them, (B,) or (B, 7), and their labels (B,)."""
        config, chosen, soft_labels = self._config, self._chosen, self._data.soft_labels
        labels = targets = self._data.labels[chosen]
        mirrored = None if self._mirrored is None else self._mirrored[chosen]
        x = self._augment(to_input(self._data.images[chosen]), self._strength, mirrored)
        if config.mixup_alpha or soft_labels is not None:
            targets = labels.unsqueeze(1).eq(torch.arange(NUM_CLASSES, device=labels.device)).float()
        if soft_labels is not None:
            targets = targets.lerp(soft_labels[chosen], config.soft_label_weight)
        if config.mixup_alpha:
            x, targets = mixup(x, targets, config.mixup_alpha, config.mixup_probability)
        return x.contiguous(memory_format=torch.channels_last), targets, labels

    def _backward(self, x: Tensor, targets: Tensor, taught: Tensor | None) -> tuple[Tensor, Tensor]:
        """Loss and logits (B, 7) of a batch; gradients are with the parameters. `taught` is what teachers say of it,
        (B, 7)."""
        config = self._config
        with self._compute.autocast():
            logits = self._forward(x).float()
        loss = F.cross_entropy(logits, targets, label_smoothing=config.label_smoothing)
        if taught is not None:
            loss = loss.lerp(
                distillation_loss(logits, taught, config.distillation_temperature), config.distillation_weight
            )
        loss.backward()
        return loss.detach(), logits.detach()


def step_values(
    config: TrainConfig,
    optimizers: list[torch.optim.Optimizer],
    average: EmaWeights | None,
    steps: range,
    total: int,
    device: torch.device,
) -> Tensor:
    """What changes from step to step: the rate of every parameter group, and how far the EMA weights move.

    Args:
        config: its schedule.
        optimizers: with their peak rates.
        average: EMA weights, if there are any.
        steps: to compute it for, counted from 0 over the whole run.
        total: steps of the whole run.
        device: of the training.

    Returns:
        (steps, groups + 1): float64 on a CPU, where the optimizers take Python's numbers; float32 on other devices.
    """
    peaks = peak_rates(optimizers)
    rows = []
    for step in steps:
        factor = rate_factor(config, step, total)
        rows.append([*(peak * factor for peak in peaks), average.weight(step) if average else 0.0])
    dtype = torch.float64 if device.type == "cpu" else torch.float32
    return torch.tensor(rows, dtype=torch.float64).view(len(steps), len(peaks) + 1).to(device, dtype)
