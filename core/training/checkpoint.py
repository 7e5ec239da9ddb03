"""Checkpoints: everything a resume needs, in one file that loads with `weights_only=True`."""

import io
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
    loss_sum: float = 0.0
    """Over the images of the epoch in progress."""
    correct: int = 0
    """Correct predictions in the epoch in progress."""
    best: dict[str, Any] = field(default_factory=dict)
    """The row of `epochs.jsonl` with the best validation accuracy so far."""
    last: dict[str, Any] = field(default_factory=dict)
    """The newest row of `epochs.jsonl`."""


def save_checkpoint(
    path: Path,
    progress: TrainingProgress,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    average: nn.Module | None,
    data: DataIdentity,
) -> None:
    """Replace the checkpoint whole.

    Raises:
        OSError: it cannot be written; the last one stays.
    """
    state = {
        "format": FORMAT,
        "progress": asdict(progress),
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "average": average.state_dict() if average is not None else None,
        "fingerprint": data.content,
        "ordered_fingerprint": data.ordered,
    }
    content = serialise(state)
    write_whole(path, lambda file: file.write(content))


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    average: nn.Module | None,
    data: DataIdentity,
    device: torch.device,
) -> TrainingProgress:
    """Put a checkpoint into freshly built parts.

    Raises:
        RunError: it is corrupt, from another format, or from other data; nothing is trained from scratch instead.
    """
    state = load_tensors(path, device)
    if state.get("format") != FORMAT:
        raise RunError(
            f"{path.name} has format {state.get('format')}, but this version reads {FORMAT}. Start a new run."
        )
    trained_on = DataIdentity(state["fingerprint"], state.get("ordered_fingerprint", ""))
    if trained_on.content != data.content:
        raise RunError(
            f"{path.name} was trained on other data than the imported dataset. Import the old one or start a new run."
        )
    if not same_images([trained_on, data]):
        raise RunError(
            f"{path.name} was trained on the same images under other names or in another order. Import them again as "
            "they were then, or start a new run."
        )
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    if average is not None:
        average.load_state_dict(state["average"])
    return TrainingProgress(**state["progress"])


def serialise(state: dict[str, Any]) -> bytes:
    """What `torch.save` writes. In memory first: written straight to a full disk, torch raises a bare RuntimeError."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def plain_weights(model: nn.Module) -> dict[str, Tensor]:
    """The state dict as the original project's file has it: float32 on the CPU, standard memory layout."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
