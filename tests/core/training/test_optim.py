"""Optimizers, schedule and averaged weights."""

import itertools
import math

import pytest
import torch
from torch import nn

from core.config import TrainConfig
from core.models.cnn import build_model
from core.training.optim import (
    EmaWeights,
    build_optimizers,
    orthogonalise,
    orthogonalise_together,
    peak_rates,
    rate_factor,
    set_rates,
)


@pytest.mark.parametrize("shape", [(64, 9), (64, 576), (256, 2304), (300, 20)])
def test_orthogonalise_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)).float())
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.4


def test_more_steps_bring_singular_values_nearer_to_one() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(64, 576) @ torch.diag(torch.linspace(0.01, 1, 576))
    smallest = [float(torch.linalg.svdvals(orthogonalise(matrix, steps).float())[-1]) for steps in (1, 3, 5)]
    assert smallest == sorted(smallest) and smallest[-1] > 0.6


def test_a_stack_is_orthogonalised_as_its_matrices_alone() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(shape) for shape in ((64, 1, 3, 3), (64, 64, 3, 3), (32, 16, 3, 3))]
    stack = orthogonalise_together(weights, 5).float()
    assert stack.shape == (3, 64, 576)
    for weight, padded in zip(weights, stack, strict=True):
        rows, columns = weight.flatten(1).shape
        alone = orthogonalise(weight.flatten(1), 5)
        assert torch.allclose(padded[:rows, :columns], alone, atol=0.03), "bfloat16 rounds the two differently"
        assert not padded[rows:].any() and not padded[:, columns:].any()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "muon"])
def test_a_loss_that_is_not_finite_moves_no_weight(name: str) -> None:
    torch.manual_seed(0)
    model = build_model("cnn-model-1")
    for rates in (peak_rates, lambda optimizers: [torch.tensor(rate) for rate in peak_rates(optimizers)]):
        optimizers = build_optimizers(model, TrainConfig(optimizer=name))
        set_rates(optimizers, rates(optimizers))
        before = [p.detach().clone() for p in model.parameters()]
        for found, moves in ((1.0, False), (0.0, True)):
            for p in model.parameters():
                p.grad = torch.full_like(p, float("nan") if found else 0.1)
            for optimizer in optimizers:
                optimizer.state.clear()
                optimizer.found_inf = torch.tensor(found)  # type: ignore[attr-defined]
                optimizer.step()
            now = [p.detach() for p in model.parameters()]
            assert all(torch.equal(a, b) != moves for a, b in zip(before, now, strict=True))
            assert all(p.isfinite().all() for p in now)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "muon"])
def test_each_parameter_is_in_exactly_one_group_and_learns(name: str) -> None:
    config = TrainConfig(optimizer=name, learning_rate=0.01)
    torch.manual_seed(0)
    model = build_model("cnn-model-1")
    optimizers = build_optimizers(model, config)
    held = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in model.parameters()}
    assert len(held) == len(list(model.parameters()))
    x, y = torch.rand(32, 1, 48, 48), torch.arange(32) % 7
    losses = []
    for _ in range(25):
        loss = nn.functional.cross_entropy(model(x), y)
        losses.append(float(loss.detach()))
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    assert sum(losses[-5:]) / 5 < losses[0] - 0.02


@pytest.mark.parametrize("name", ["adamw", "sgd", "muon"])
def test_norms_and_biases_do_not_decay(name: str) -> None:
    model = build_model("cnn-model-1")
    for optimizer in build_optimizers(model, TrainConfig(optimizer=name, weight_decay=0.3)):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                assert group["weight_decay"] == (0.3 if parameter.ndim > 1 else 0.0)


def test_constant_rate_without_warm_up_is_constant() -> None:
    config = TrainConfig()
    assert [rate_factor(config, step, 10) for step in range(10)] == [1.0] * 10


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_schedules_rise_to_one_and_fall_towards_zero(schedule: str) -> None:
    config = TrainConfig(schedule=schedule, warmup_fraction=0.1)
    factors = [rate_factor(config, step, 1000) for step in range(1000)]
    assert factors[0] == pytest.approx(1 / 101)
    assert max(factors) == pytest.approx(1.0)
    assert factors.index(max(factors)) == 100
    assert all(b >= a for a, b in itertools.pairwise(factors[:101]))
    assert all(b <= a for a, b in itertools.pairwise(factors[100:]))
    assert 0 < factors[-1] < 0.002


def test_linear_falls_in_a_line_and_cosine_in_half_a_wave() -> None:
    line = TrainConfig(schedule="linear")
    wave = TrainConfig(schedule="cosine")
    assert rate_factor(line, 25, 100) == pytest.approx(0.75)
    assert rate_factor(wave, 25, 100) == pytest.approx(0.5 + 0.5 * math.cos(math.pi * 0.25))


def test_rates_scale_from_each_groups_own_peak() -> None:
    config = TrainConfig(optimizer="muon", learning_rate=0.001, muon_learning_rate=0.02)
    optimizers = build_optimizers(build_model("cnn-model-1"), config)
    set_rates(optimizers, [peak / 2 for peak in peak_rates(optimizers)])
    assert [group["lr"] for optimizer in optimizers for group in optimizer.param_groups] == [0.01, 0.0005, 0.0005]


def test_average_follows_the_formula_and_covers_batch_norm() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average = EmaWeights(model, decay=0.5)
    start = model[0].weight.detach().clone()
    with torch.no_grad():
        model[0].weight += 1
    model(torch.rand(8, 3))
    average.update(average.weight(step=1000))
    assert torch.allclose(average.model[0].weight, start + 0.5)
    assert torch.allclose(average.model[1].running_mean, model[1].running_mean * 0.5)
    assert not average.model.training


def test_average_forgets_fast_at_first() -> None:
    model = nn.Linear(2, 2)
    average = EmaWeights(model, decay=0.999)
    with torch.no_grad():
        model.weight += 1
    average.update(average.weight(step=0))
    assert torch.allclose(average.model.weight, model.weight - 0.1)
