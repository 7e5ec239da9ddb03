"""Checkpoints: everything a resume needs, in one file that loads with `weights_only=True`."""

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from core.data.identity import DataIdentity, same_images
from core.errors import RunError
from core.files import write_whole
from core.models.state_dict import load_tensors

FORMAT: Final = 1


@dataclass
class TrainingProgress:
    """Where a run is, beside its weights. Randomness needs no state: each step seeds its own from seed and step."""

    epoch: int = 0
    """Epochs completed."""
    batch: int = 0
    """Batches completed of the epoch in progress."""
    step: int = 0
    """Optimizer steps completed."""
    elapsed_seconds: float = 0.0
    energy_joules: float | None = None
    """That the GPU has taken; None where that is not known."""
    loss_sum: float = 0.0
    """Over the images of the epoch in progress."""
    correct: int = 0
    """Correct predictions in the epoch in progress."""
    best: dict[str, Any] = field(default_factory=dict)
    """The row of `epochs.jsonl` with the best validation accuracy so far."""
    last: dict[str, Any] = field(default_factory=dict)
    """The newest row of `epochs.jsonl`."""


class HostCopy:
    """Tensors as they are at this moment, in the memory of the host, while training goes on changing the originals.

    From a GPU they are copied to page-locked memory, in turn with the kernels of the training: nobody waits for them
    but who asks for the copies.

    Args:
        state: tensors and plain values, in dicts, lists and tuples.
    """

    def __init__(self, state: Any) -> None:
        self._copied: torch.cuda.Event | None = None
        self._state = self._copy(state)
        if self._copied is not None:
            self._copied.record()

    def get(self) -> Any:
        """The copies, once they are complete; from any thread. Who has asked once has them, whatever becomes of the
        GPU: after some errors it answers nothing any more."""
        copied = self._copied
        if copied is not None:
            copied.synchronize()
            self._copied = None
        return self._state

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            value = value.detach()
            if value.device.type == "cpu":
                return value.clone()
            self._copied = self._copied or torch.cuda.Event()
            return torch.empty_like(value, device="cpu", pin_memory=True).copy_(value, non_blocking=True)
        if isinstance(value, dict):
            return {key: self._copy(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._copy(each) for each in value)
        return value


@dataclass
class Parts:
    """What a checkpoint is of, beside its progress."""

    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    average: nn.Module | None
    """The EMA weights, if there are any."""
    data: DataIdentity

    def copy(self) -> HostCopy:
        """Their state at this moment."""
        return HostCopy(
            {
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "average": self.average.state_dict() if self.average is not None else None,
                "fingerprint": self.data.content,
                "ordered_fingerprint": self.data.ordered,
            }
        )


def write_checkpoint(
    path: Path,
    progress: TrainingProgress,
    parts: HostCopy,
    best_weights: bytes | None,
    check: Callable[[], object] = lambda: None,
) -> None:
    """Replace the checkpoint whole.

    Args:
        path: of the checkpoint.
        progress: where the run was when the parts were copied.
        parts: from `Parts.copy`.
        best_weights: the weights file of the best epoch, as long as it is neither on disk nor made of the parts: a
            crash may come before it is written.
        check: as `core.files.write_whole` has it.

    Raises:
        OSError: it cannot be written; the last one stays.
    """
    best = torch.frombuffer(bytearray(best_weights), dtype=torch.uint8) if best_weights else None
    content = serialise({"format": FORMAT, "progress": asdict(progress), **parts.get(), "best": {"file": best}})
    write_whole(path, lambda file: file.write(content), check=check)


def load_checkpoint(path: Path, parts: Parts, device: torch.device) -> tuple[TrainingProgress, bytes | None]:
    """Put a checkpoint into freshly built parts.

    Returns:
        Where the run was, and the weights file of its best epoch, if that is in it.

    Raises:
        RunError: it is corrupt, from another format, or from other data; nothing is trained from scratch instead.
    """
    state = load_tensors(path, device)
    if state.get("format") != FORMAT:
        raise RunError(
            f"{path.name} has format {state.get('format')}, but this version reads {FORMAT}. Start a new run."
        )
    trained_on = DataIdentity(state["fingerprint"], state.get("ordered_fingerprint", ""))
    if trained_on.content != parts.data.content:
        raise RunError(
            f"{path.name} was trained on other data than the imported dataset. Import the old one or start a new run."
        )
    if not same_images([trained_on, parts.data]):
        raise RunError(
            f"{path.name} was trained on the same images under other names or in another order. Import them again as "
            "they were then, or start a new run."
        )
    parts.model.load_state_dict(state["model"])
    for optimizer, saved in zip(parts.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    if parts.average is not None:
        parts.average.load_state_dict(state["average"])
    best = state.get("best", {}).get("file")  # older versions had none
    return TrainingProgress(**state["progress"]), None if best is None else best.cpu().numpy().tobytes()


def serialise(state: dict[str, Any]) -> bytes:
    """What `torch.save` writes. In memory first: written straight to a full disk, torch raises a bare RuntimeError."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
