"""Checkpoints: everything a resume needs, in one file that loads with `weights_only=True`."""

import io
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import Tensor, nn

from core.errors import RunError
from core.files import write_whole

FORMAT: Final = 1


@dataclass
class Progress:
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
    progress: Progress,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    average: nn.Module | None,
    fingerprint: str,
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
        "fingerprint": fingerprint,
    }
    save_whole(path, state)


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    average: nn.Module | None,
    fingerprint: str,
    device: torch.device,
) -> Progress:
    """Put a checkpoint into freshly built parts.

    Raises:
        RunError: it is damaged, from another format, or from other data; nothing is trained from scratch instead.
    """
    state = load_tensors(path, device)
    if state.get("format") != FORMAT:
        raise RunError(f"{path.name} has format {state.get('format')}, this version reads {FORMAT}: start a new run.")
    if state["fingerprint"] != fingerprint:
        raise RunError(f"{path.name} was trained on other data than are imported now: import the old set or start anew.")
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    if average is not None:
        average.load_state_dict(state["average"])
    return Progress(**state["progress"])


def save_whole(path: Path, state: dict[str, Any]) -> None:
    """`torch.save` by way of a temporary file. A full disk is an OSError here, as everywhere else."""
    buffer = io.BytesIO()
    torch.save(state, buffer)  # in memory first: written straight to a full disk, torch raises a bare RuntimeError
    write_whole(path, lambda file: file.write(buffer.getbuffer()))


def load_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a file of tensors and plain values, never running code from it.

    Raises:
        RunError: it is missing, damaged or holds anything else.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise RunError(f"There is no {path.name} at {path.parent}.") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RunError(f"{path.name} is damaged or no file of weights: {reason[:200]}") from error
    if not isinstance(state, dict):
        raise RunError(f"{path.name} holds no named weights.")
    return state


def plain_weights(model: nn.Module) -> dict[str, Tensor]:
    """The state dict as the original project's file has it: float32 on the CPU, standard memory layout."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
