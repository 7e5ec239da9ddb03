"""Knowledge distillation: what teachers say of the images that the student sees, and the loss it gives.

Teachers see the very images of the student, augmented and blended (Beyer et al. 2021, "Knowledge distillation: a good
teacher is patient and consistent"). They have no random numbers and no state, so a resume needs nothing of them but
their weights, and their part of a step can be captured in a CUDA graph with the rest.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from core.errors import RunError
from core.models.cnn import build_model
from core.models.state_dict import load_weights
from core.runs.paths import RunPaths
from core.runs.reader import read_config
from core.runs.roles import PRETRAINED, TEACHER
from core.runs.teachers import Teaching
from core.training.compute import Compute, to_device


class Teachers:
    """Models that answer together.

    Args:
        models: on the device of the training; they are put into evaluation mode.
        temperature: what their logits are divided by, above 0.
        compute: the number format they are called in.
    """

    def __init__(self, models: Sequence[nn.Module], temperature: float, compute: Compute) -> None:
        self._models = [model.eval().requires_grad_(False) for model in models]
        self._temperature, self._compute = temperature, compute

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """What they say of a batch.

        Args:
            x: (B, 1, 48, 48), as the student gets it.

        Returns:
            float32 (B, 7): the mean over the models of their softened probabilities, softmax(logits / temperature).
        """
        with self._compute.autocast():
            logits = [model(x) for model in self._models]
        return torch.stack([F.softmax(each.float() / self._temperature, dim=1) for each in logits]).mean(dim=0)


def load_teachers(runs_root: Path, teaching: Teaching | None, temperature: float, compute: Compute) -> Teachers | None:
    """The teachers of a run on its device; None if it has none.

    Raises:
        RunError: the settings or the weights of one cannot be read.
    """
    if teaching is None or not teaching.teachers:
        return None
    models = [to_device(_load(RunPaths(runs_root, source.run), TEACHER), compute) for source in teaching.teachers]
    return Teachers(models, temperature, compute)


def initial_model(paths: RunPaths, teaching: Teaching | None, name: str) -> nn.Module:
    """The model that a run starts with, on the CPU: with the mean of the best weights of the runs that its setting
    `initial_weights` names (Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models"), else
    with random ones, drawn by torch's global generator; so, too, where a checkpoint is there to replace them, and the
    other runs may be gone.

    Raises:
        RunError: the weights cannot be read, or are of another model than `name`.
    """
    if teaching is None or not teaching.initial_weights or paths.checkpoint.exists():
        return build_model(name)
    models = [_load(RunPaths(paths.root, source.run), PRETRAINED, name) for source in teaching.initial_weights]
    mean = AveragedModel(models[0], use_buffers=True)
    for model in models:
        mean.update_parameters(model)
    return mean.module


def _load(paths: RunPaths, role: str, name: str = "") -> nn.Module:
    try:
        return load_weights(paths.weights, name or read_config(paths).model)
    except RunError as error:
        raise RunError(f"{role} {paths.run_id}: {error}") from error


def distillation_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """The mean over a batch of T² KL(taught ‖ softmax(logits / T)), in nats.

    The factor T² keeps the size of its gradients whatever the temperature T (Hinton et al. 2015, section 2).

    Args:
        logits: (B, 7), of the student.
        taught: (B, 7), probabilities at the same temperature; see `Teachers`.
        temperature: T, above 0.
    """
    student = F.log_softmax(logits / temperature, dim=1)
    return temperature**2 * F.kl_div(student, taught, reduction="batchmean")
