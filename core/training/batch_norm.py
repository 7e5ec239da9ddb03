"""Batch norm statistics for the weights that are evaluated.

What training keeps are running averages: of augmented images, and of the weights of the steps before; with EMA weights
they are averaged once more. Statistics of the very weights on images as they are scored fit better (Izmailov et al.
2018, "Averaging weights leads to wider optima and better generalization", section 3.2; Wu and Johnson 2021, "Rethinking
'batch' in BatchNorm", section 3).
"""

from collections.abc import Callable, Iterator

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from core.evaluation.inference import BATCH
from core.models.preprocess import to_input
from core.training.compute import Compute
from core.training.train_data import TrainData, fixed_sample


def compute_statistics(
    model: nn.Module, data: TrainData, count: int, seed: int, compute: Compute, keep_going: Callable[[], bool]
) -> None:
    """Replace a model's batch norm statistics by those of training images without augmentation, in place.

    They depend on its weights and the arguments alone, so they are the same after a resume.

    Args:
        model: on the device of the images.
        data: the images are drawn from those that the run trains on, so none of a held-out fold is among them.
        count: how many to draw; all, if there are fewer.
        seed: draws the same ones for every epoch of a run.
        compute: the number format they are computed in.
        keep_going: asked before each batch.

    Raises:
        InterruptedError: `keep_going` returned False; the statistics are of no use.
    """

    def batches() -> Iterator[Tensor]:
        for chosen in fixed_sample(seed, count, data).split(BATCH):
            if not keep_going():
                raise InterruptedError
            yield to_input(data.images[chosen])

    with compute.autocast():
        update_bn(batches(), model)
