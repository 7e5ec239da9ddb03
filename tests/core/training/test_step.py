"""One step alone: from tensors that stay in place, as a CUDA graph needs them, and what it does to a bad loss."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.bench.kernels import Uncaptured, kernels_per_step, noise_data
from core.config import TrainConfig
from core.models.cnn import build_model
from core.training import step as step_module
from core.training.asam import worst_neighbour
from core.training.compute import Compute, to_device
from core.training.optim import EmaWeights, build_optimizers
from core.training.step import CudaGraph, Graph, TrainingStep, step_values
from core.training.teachers import Teachers
from tests.core.training.test_loop import EVERYTHING, OLDER

CPU = Compute(torch.device("cpu"), bfloat16=False, threads=1)
STEPS = 8
TAUGHT: dict[str, Any] = {**EVERYTHING, "teachers": ("one", "two")}


class Trainer:
    """A model with its step, on noise."""

    def __init__(self, settings: dict[str, Any], graph: Callable[[], Graph] | None, compute: Compute = CPU) -> None:
        self.config = TrainConfig(**settings)
        torch.manual_seed(0)
        self.data = noise_data(32)
        if compute.device.type == "cuda":
            self.data = replace(self.data, images=self.data.images.cuda(), labels=self.data.labels.cuda())
        self.model = to_device(build_model("cnn-model-1"), compute)
        self.optimizers = build_optimizers(self.model, self.config)
        self.average = EmaWeights(self.model, self.config.ema_decay) if self.config.ema_decay else None
        parts = (self.model, self.optimizers, self.average, self.data, self.config, compute)
        others = [to_device(build_model("cnn-model-1"), compute) for _ in self.config.teachers]
        self.teachers = Teachers(others, self.config.distillation_temperature, compute) if others else None
        self.step = TrainingStep(*parts, graph, self.teachers)
        device = compute.device
        self.values = step_values(self.config, self.optimizers, self.average, range(STEPS), STEPS, device)
        self.orders = [torch.randperm(32, generator=torch.Generator().manual_seed(n)).to(device) for n in range(STEPS)]

    def train(self) -> Tensor:
        """(STEPS, 2): what the steps returned, strength changing on the way."""
        results = []
        for number in range(STEPS):
            if number % 4 == 0:
                self.step.start_epoch(1.0 if number == 0 else 0.5, self.orders[0] > 3 * number)
            results.append(self.step(self.orders[number], self.values[number], seed=number))
        return torch.stack(results)


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("settings", [OLDER, TAUGHT, OLDER | {"optimizer": "adam"}, OLDER | {"optimizer": "sgd"}])
def test_a_captured_step_trains_as_one_that_is_not(settings: dict[str, Any]) -> None:
    graphs: list[Uncaptured] = []

    def new_graph() -> Graph:
        graphs.append(Uncaptured())
        return graphs[-1]

    eager, captured = Trainer(settings, None), Trainer(settings, new_graph)
    results = eager.train(), captured.train()
    assert len(graphs) == 2, "once for each strength"
    # Muon's matrices are stacked where there is a graph, and the EMA weights follow in three operations
    assert torch.allclose(results[0][:, 0], results[1][:, 0], rtol=0.05)
    for a, b in zip(eager.model.parameters(), captured.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=0.02)
    again = Trainer(settings, new_graph)
    assert torch.equal(again.train(), results[1]) and same(again.model, captured.model)


def test_a_step_that_cannot_be_captured_runs_kernel_by_kernel(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Uncaptured):
        def capture(self, body: Callable[[], None]) -> None:
            for parameter in failing.model.parameters():
                parameter.grad = torch.full_like(parameter, float("nan"))
            torch.rand(3)
            raise RuntimeError("operation not permitted when stream is capturing")

    expected, failing = Trainer(OLDER, Uncaptured), Trainer(OLDER, Failing)
    assert torch.equal(expected.train(), failing.train())
    assert same(expected.model, failing.model)
    assert caplog.text.count("can't be captured") == 1


@pytest.mark.parametrize("settings", [OLDER, TAUGHT, OLDER | {"optimizer": "adamw"}])
def test_the_host_reads_nothing_back_within_a_step(settings: dict[str, Any]) -> None:
    """Each of these would have it wait for a GPU, and cannot be captured."""
    counts = kernels_per_step(TrainConfig(**settings))
    assert not counts.keys() & {"_local_scalar_dense", "nonzero", "equal", "is_nonzero", "allclose", "masked_select"}
    assert counts.total() > 50


def test_a_result_is_not_overwritten_by_the_next_step() -> None:
    trainer = Trainer(OLDER, Uncaptured)
    first = trainer.step(trainer.orders[0], trainer.values[0], 0)
    kept = first.clone()
    trainer.step(trainer.orders[1], trainer.values[1], 1)
    assert torch.equal(first, kept)


@pytest.mark.parametrize("graph", [None, Uncaptured])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_moves_neither_weights_nor_optimizer(
    graph: Callable[[], Graph] | None, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(OLDER | {"gradient_clip": 0.0}, graph)
    trainer.step(trainer.orders[0], trainer.values[0], 0)
    before = [p.detach().clone() for p in trainer.model.parameters()]
    real = torch.nn.functional.cross_entropy
    monkeypatch.setattr(step_module.F, "cross_entropy", lambda *a, **k: real(*a, **k) * bad)
    result = trainer.step(trainer.orders[1], trainer.values[1], 1)
    assert not result[0].isfinite()
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model.parameters(), strict=True))


def test_values_of_steps_are_those_of_the_schedule_to_the_last_bit() -> None:
    trainer = Trainer(OLDER, None)
    row = trainer.values[3].tolist()
    for group, rate in zip((g for o in trainer.optimizers for g in o.param_groups), row, strict=False):
        assert rate == group["peak_lr"] * step_module.rate_factor(trainer.config, 3, STEPS)
    assert row[-1] == 1 - min(trainer.config.ema_decay, 4 / 13)


def test_asam_looks_uphill_in_proportion_to_the_weights_and_comes_back() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))

    def loss() -> Tensor:
        return nn.functional.cross_entropy(model(x), y)

    first = loss()
    first.backward()
    before, statistics = [p.detach().clone() for p in model.parameters()], model[1].running_mean.clone()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    sizes = [p.abs() + 0.01 if p.ndim > 1 else torch.ones_like(p) for p in before]
    norm = torch.sqrt(sum(((t * g) ** 2).sum() for t, g in zip(sizes, gradients, strict=True)))
    with worst_neighbour(model, rho=0.1):
        for p, old, t, g in zip(model.parameters(), before, sizes, gradients, strict=True):
            assert torch.allclose(p, old + 0.1 * t**2 * g / norm, atol=1e-6)
        second = loss()
        second.backward()
    assert second.item() > first.item()
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    assert torch.equal(model[1].running_mean, statistics) and model[1].momentum == 0.1
    assert not all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))


@pytest.mark.parametrize("graph", [None, Uncaptured])
def test_a_loss_nearby_that_is_not_finite_moves_no_weights_and_is_told(
    graph: Callable[[], Graph] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(OLDER | {"gradient_clip": 0.0, "asam_rho": 0.5}, graph)
    trainer.step(trainer.orders[0], trainer.values[0], 0)
    before = [p.detach().clone() for p in trainer.model.parameters()]
    real, factors = torch.nn.functional.cross_entropy, iter([1.0, float("inf")])
    monkeypatch.setattr(step_module.F, "cross_entropy", lambda *a, **k: real(*a, **k) * next(factors))
    assert trainer.step(trainer.orders[1], trainer.values[1], 1)[0].isnan()
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model.parameters(), strict=True))


def moved(trainer: Trainer) -> dict[str, Tensor]:
    """The state of the model, and of its EMA weights, after the steps; each part of it has moved since the capture."""
    for number in range(STEPS):
        if number % 4 == 0:
            trainer.step.start_epoch(1.0 if number == 0 else 0.5, trainer.orders[0] > 3 * number)
        if number == 5:  # from here on all steps are replays
            early = {name: value.clone() for name, value in state_of(trainer).items()}
        trainer.step(trainer.orders[number], trainer.values[number], seed=number)
    late = state_of(trainer)
    still = {name for name, value in late.items() if value.is_floating_point() and torch.equal(value, early[name])}
    assert not {name for name in still if not name.endswith(".0.bias")}, "a batch norm takes that away again"
    return late


def state_of(trainer: Trainer) -> dict[str, Tensor]:
    average = trainer.average.model.state_dict() if trainer.average else {}
    return {**trainer.model.state_dict(), **{f"average.{name}": value for name, value in average.items()}}


WAYS: dict[str, dict[str, Any]] = {
    "muon": OLDER,
    "adam": OLDER | {"optimizer": "adam"},
    "adamw": OLDER | {"optimizer": "adamw"},
    "sgd": OLDER | {"optimizer": "sgd"},
    "compiled": OLDER | {"compile": True},
    "taught": TAUGHT,
    "taught and compiled": TAUGHT | {"compile": True},
}


@pytest.mark.parametrize("way", ["muon", "adam", "adamw", "sgd", "taught"])
def test_replays_move_all_that_steps_move(way: str) -> None:
    eager, captured = (moved(Trainer(WAYS[way], graph)) for graph in (None, Uncaptured))
    assert all(torch.allclose(eager[name], captured[name], atol=0.05) for name in eager)


@pytest.mark.gpu
@pytest.mark.parametrize("way", list(WAYS))
def test_a_cuda_graph_trains_as_its_kernels_one_by_one(way: str, caplog: pytest.LogCaptureFixture) -> None:
    compute = Compute(torch.device("cuda", 0), bfloat16=True, threads=1)
    graphs: list[CudaGraph] = []

    def new_graph() -> Graph:
        graphs.append(CudaGraph())
        return graphs[-1]

    eager, captured = (Trainer(WAYS[way], graph, compute) for graph in (None, new_graph))
    states = moved(eager), moved(captured)
    assert len(graphs) == 2 and "can't be captured" not in caplog.text
    # in bfloat16, and of kernels that add in another order, only close; of random numbers of another seed not at all
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), atol=0.05), name
    results = [Trainer(WAYS[way], graph, compute).train() for graph in (None, new_graph)]
    assert torch.allclose(results[0][:, 0], results[1][:, 0], rtol=0.05), "loss of every step"
    assert torch.allclose(results[0][:, 1], results[1][:, 1], atol=3), "and of 32 how many are right"


@pytest.mark.gpu
def test_a_capture_that_fails_says_why_and_leaves_the_stream_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    compute = Compute(torch.device("cuda", 0), bfloat16=True, threads=1)
    trainer, stream = Trainer(OLDER, CudaGraph, compute), torch.cuda.current_stream()
    compute_all = trainer.step._compute_all

    def waits() -> None:
        compute_all()
        if torch.cuda.is_current_stream_capturing():
            trainer.values.sum().item()

    trainer.step._compute_all = waits  # type: ignore[method-assign]
    trainer.train()
    assert torch.cuda.current_stream() == stream
    assert "when stream is capturing" in caplog.text and caplog.text.count("can't be captured") == 1
