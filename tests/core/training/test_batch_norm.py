"""Batch norm statistics on images without augmentation: those of the weights, and of nothing else."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.models.cnn import CnnModel1, build_model
from core.models.preprocess import to_input
from core.training.batch_norm import compute_statistics
from core.training.compute import choose_compute
from core.training.train_data import TrainData, fixed_sample, load_data
from tests.core.training.test_loop import TINY

CONFIG = TrainConfig(**{**TINY, "precision": "float32"})
COMPUTE = choose_compute(CONFIG)


@pytest.fixture
def data(demo_root: Path) -> TrainData:
    return load_data(CONFIG, demo_root, COMPUTE)


@pytest.fixture
def model() -> CnnModel1:
    torch.manual_seed(0)
    made = build_model("cnn-model-1").eval()
    assert isinstance(made, CnnModel1)
    for layer in norms(made):
        layer.running_mean.fill_(3.0)  # type: ignore[union-attr]
    return made


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]


def test_they_are_those_of_the_images(model: CnnModel1, data: TrainData) -> None:
    weights = {name: value.clone() for name, value in model.named_parameters()}
    compute_statistics(model, data, 100, 5, COMPUTE, lambda: True)
    first, convolution = norms(model)[0], next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    x: Tensor = convolution(to_input(data.images[fixed_sample(5, 100, data)]))
    torch.testing.assert_close(first.running_mean, x.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.running_var, x.var(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(weights[name], value) for name, value in model.named_parameters())
    assert not model.training and all(layer.momentum == 0.1 for layer in norms(model)), "ready to be evaluated"


def test_they_do_not_depend_on_those_before(model: CnnModel1, data: TrainData) -> None:
    compute_statistics(model, data, 100, 5, COMPUTE, lambda: True)
    once = {name: value.clone() for name, value in model.named_buffers()}
    compute_statistics(model, data, 100, 5, COMPUTE, lambda: True)
    assert all(torch.equal(once[name], value) for name, value in model.named_buffers())


def test_a_sample_is_that_of_its_seed_and_never_more_than_there_is(data: TrainData) -> None:
    assert torch.equal(fixed_sample(5, 100, data), fixed_sample(5, 100, data))
    assert not torch.equal(fixed_sample(5, 100, data), fixed_sample(6, 100, data))
    assert sorted(fixed_sample(5, 10**6, data).tolist()) == list(range(len(data.labels)))


def test_they_stop_between_batches(model: CnnModel1, data: TrainData) -> None:
    with pytest.raises(InterruptedError):
        compute_statistics(model, data, 100, 5, COMPUTE, lambda: False)
