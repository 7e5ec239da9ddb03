"""The engine's augmentation beside kornia's, same kinds and ranges, in turns: `python -m tests.bench.bench_augment`.

kornia is not among the requirements: `pip install kornia` first.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from core.config import TrainConfig
from core.training.augment import Augmentation


def main(batch: int = 128, repeats: int = 10, rounds: int = 7) -> None:
    import kornia.augmentation as kornia

    config = TrainConfig(rotation=12, shift=0.08, zoom=0.1, brightness=0.1, contrast=0.2, erasing=0.25)
    ours = Augmentation(config)
    affine_only = Augmentation(TrainConfig(rotation=12, shift=0.08, zoom=0.1))
    theirs_affine = [
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomAffine(12, translate=(0.08, 0.08), scale=(0.9, 1.1), p=1.0),
    ]
    theirs_rest = [
        kornia.RandomBrightness((0.9, 1.1), p=1.0),
        kornia.RandomContrast((0.8, 1.2), p=1.0),
        kornia.RandomErasing(scale=(0.02, 0.33), p=0.25),
    ]
    pairs: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
        "flip, rotation, shift, zoom": (affine_only, kornia.AugmentationSequential(*theirs_affine)),
        "all": (ours, kornia.AugmentationSequential(*theirs_affine, *theirs_rest)),
    }
    x = torch.rand(batch, 1, 48, 48)
    for name, (a, b) in pairs.items():
        ratios, times = [], []
        for _ in range(rounds):
            mine, other = (_milliseconds(function, x, repeats) for function in (a, b))
            ratios.append(other / mine)
            times.append(mine)
        print(
            f"{name}: {statistics.median(times):.2f} ms for {batch} images, "
            f"kornia takes {statistics.median(ratios):.2f} times as long (median of {rounds} rounds)"
        )


def _milliseconds(function: Callable[[Tensor], Tensor], x: Tensor, repeats: int) -> float:
    function(x)
    started = time.perf_counter()
    for _ in range(repeats):
        function(x)
    return (time.perf_counter() - started) / repeats * 1000


if __name__ == "__main__":
    main()
