"""How many kernels a training step starts: on a GPU each takes Python a few microseconds, whatever it computes.

Counted by what PyTorch dispatches, so it needs no GPU: the step of a GPU is run on the CPU and watched.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from core.config import TrainConfig
from core.data.identity import DataIdentity
from core.models.cnn import build_model
from core.training.compute import Compute, to_device
from core.training.optim import EmaWeights, build_optimizers
from core.training.step import TrainingStep, step_values
from core.training.teachers import Teachers
from core.training.train_data import TrainData

_NO_KERNEL: Final = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "lift_fresh"}
"""Operations that compute nothing, beside views and the marks of the profiler."""


class KernelCounter(TorchDispatchMode):
    """Counts the kernels of what runs inside it, by operation. A composed operation counts as its parts; one on a list
    of tensors as one where a GPU has one kernel for the list, else once for each tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if not (_is_view(func) or name in _NO_KERNEL or name.startswith("_record_function")):
            self.counts[name] += _launches(name, args)
        return func(*args, **(kwargs or {}))


def _is_view(func: Any) -> bool:
    aliases = [value.alias_info for value in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


def _launches(name: str, args: Any) -> int:
    lists = [each for each in args if isinstance(each, list) and each and isinstance(each[0], Tensor)]
    if not (name.startswith("_foreach") and lists):
        return 1
    alike = all(len({(t.dtype, t.stride()) for t in same}) == 1 for same in zip(*lists, strict=True))
    dense = all(t.is_contiguous() or t.is_contiguous(memory_format=torch.channels_last) for t in _images(lists))
    return 1 if alike and dense else len(lists[0])


def _images(lists: list[list[Tensor]]) -> list[Tensor]:
    return [tensor for each in lists for tensor in each if tensor.ndim == 4]


class Uncaptured:
    """A `Graph` for any device: what was captured is computed again, kernel by kernel, from the same tensors."""

    def capture(self, body: Callable[[], None]) -> None:
        self._body = body

    def replay(self) -> None:
        self._body()


def kernels_per_step(config: TrainConfig) -> Counter[str]:
    """The kernels of one training step as a GPU would run it, by operation; most frequent first with `most_common`.

    Args:
        config: its settings; few images are enough, since only sizes depend on their number. Its teachers are taken to
            be of the same model.
    """
    compute = Compute(torch.device("cpu"), bfloat16=True, threads=torch.get_num_threads())
    data = noise_data(16)
    model = to_device(build_model(config.model), compute)
    optimizers = build_optimizers(model, config)
    average = EmaWeights(model, config.ema_decay) if config.ema_decay else None
    others = [to_device(build_model(config.model), compute) for _ in config.teachers]
    teachers = Teachers(others, config.distillation_temperature, compute) if others else None
    step = TrainingStep(model, optimizers, average, data, config, compute, Uncaptured, teachers)
    values = step_values(config, optimizers, average, range(2), 100, compute.device)
    chosen = torch.arange(data.batch_size)
    step(chosen, values[0], 0)  # the first one makes the state of the optimizers
    with KernelCounter() as counter:
        step(chosen, values[1], 1)
    return counter.counts


def noise_data(count: int) -> TrainData:
    """Training images of noise on the CPU, in one batch; there is no validation."""
    images = torch.randint(0, 256, (count, 48, 48), dtype=torch.uint8)
    return TrainData(
        images=images,
        labels=torch.arange(count) % 7,
        validation=None,  # type: ignore[arg-type]  # a step needs none
        validation_images=images,
        corrected=None,
        identity=DataIdentity("", ""),
        per_epoch=count,
        batch_size=count,
        batches=1,
    )
