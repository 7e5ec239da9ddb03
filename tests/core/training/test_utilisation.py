"""Operations per image, peaks of devices, and energy."""

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.models.cnn import build_model
from core.training import utilisation
from core.training.compute import Compute
from core.training.utilisation import EnergyMeter, flop_per_image, listed_peak, matmul_peak, peak_of

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def multiply_adds(model: str) -> list[int]:
    """Of the forward pass for one image, layer by layer, by the formulas of convolutions and products."""
    found: list[int] = []

    def note(layer: Any, _: Any, output: torch.Tensor) -> None:
        found.append(output[0].numel() * layer.weight[0].numel())

    network = build_model(model).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(note)
    network(torch.zeros(1, 1, 48, 48))
    return found


@pytest.mark.parametrize("model", ["cnn-model-1", "cnn-model-2"])
def test_the_operations_of_an_image_are_counted(model: str) -> None:
    """Three products per layer: of the output, and the gradients of weights and input; the image itself needs none."""
    layers = multiply_adds(model)
    assert flop_per_image(model) == 2 * (3 * sum(layers) - layers[0])
    if model == "cnn-model-2":
        assert sum(layers) == pytest.approx(343e6, rel=0.01)


def test_counting_leaves_the_random_numbers_of_the_training_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    flop_per_image.__wrapped__("cnn-model-1")
    matmul_peak(CPU, torch.float32, 16, 1, 1)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    ("device", "precision", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.5e12),
        ("NVIDIA H200", "tf32", 494.5e12),
        ("NVIDIA A100-SXM4-40GB", "float32", 19.5e12),
        ("NVIDIA A100 80GB PCIe", "bfloat16", 312e12),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "bfloat16", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "bfloat16", None),
        ("NVIDIA A10G", "bfloat16", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bfloat16", None),
        ("Tesla T4", "bfloat16", None),
        ("Some card of next year", "bfloat16", None),
    ],
)
def test_the_peak_of_a_card_is_that_of_its_data_sheet(device: str, precision: str, peak: float | None) -> None:
    assert listed_peak(device, precision) == (None if peak is None else pytest.approx(peak))


def test_the_peak_of_another_device_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100 80GB HBM3")
    assert peak_of(Compute(CUDA, bfloat16=False, threads=1, tf32=True)) == (494.5e12, "data sheet")
    monkeypatch.setattr(utilisation, "_PRODUCTS", {"cpu": (64, 2, 2)})
    utilisation._measured.cache_clear()
    peak = peak_of(Compute(CPU, bfloat16=False, threads=1))
    utilisation._measured.cache_clear()
    assert peak.source == "measured" and peak.flop_per_second > 0


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A GPU that has used so many millijoules, as `pynvml` tells of it."""
    card = SimpleNamespace(used=5_000_000)

    def used(handle: bytes) -> int:
        if handle != b"GPU-1-2-3":
            raise OSError("not found")
        return card.used

    functions = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetTotalEnergyConsumption": used,
    }
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(**functions))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="1-2-3"))
    return card


def test_the_energy_of_a_gpu_counts_from_the_start(card: SimpleNamespace) -> None:
    meter = EnergyMeter(CUDA)
    assert meter.joules() == 0
    card.used += 1500
    assert meter.joules() == 1.5


def test_where_nothing_tells_the_energy_there_is_none(
    card: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert EnergyMeter(CPU).joules() is None
    meter = EnergyMeter(CUDA)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="another"))
    with caplog.at_level(logging.INFO, logger="train"):
        assert EnergyMeter(CUDA).joules() is None
    assert [entry.getMessage() for entry in caplog.records] == [
        "the energy of the GPU is not recorded: OSError: not found"
    ]
    del card.used
    assert meter.joules() is None, "the card was lost"
