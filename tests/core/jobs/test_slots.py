"""One run at a time per slot: which slots a machine has."""

from pathlib import Path

import pytest
import torch

from core.errors import ConfigError
from core.jobs import control
from core.jobs.slots import _gpu_slots, gpu_slots, list_slots
from core.machine import available_cores
from core.training.compute import choose_compute
from tests.core.conftest import TINY


def fake_nvidia_smi(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


TWO_GPUS = "echo 'GPU 0: NVIDIA A (UUID: GPU-aaaa)'; echo 'GPU 1: NVIDIA B (UUID: GPU-bbbb)'"

SLICES = """cat <<END
GPU 0: NVIDIA A (UUID: GPU-aaaa)
  MIG 3g.20gb     Device  0: (UUID: MIG-a0)
  MIG 1c.3g.20gb  Device  1: (UUID: MIG-a1)
GPU 1: NVIDIA B (UUID: GPU-bbbb)
END"""


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["gpu-0", "gpu-1"]),
        ("1", ["gpu-1"]),
        ("GPU-aa", ["gpu-0"]),
        ("1,0", ["gpu-0", "gpu-1"]),
        ("", []),
        ("-1", []),
        ("7", []),
    ],
)
def test_there_is_a_slot_for_each_gpu_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str | None, expected: list[str]
) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, TWO_GPUS)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [slot.name for slot in _gpu_slots()] == expected


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, {"gpu-0-mig-0": "MIG-a0", "gpu-0-mig-1": "MIG-a1", "gpu-1": "GPU-bbbb"}),
        ("0", {"gpu-0-mig-0": "MIG-a0", "gpu-0-mig-1": "MIG-a1"}),
        ("MIG-a1", {"gpu-0-mig-1": "MIG-a1"}),
        ("MIG-a1,MIG-a1,GPU-b", {"gpu-0-mig-1": "MIG-a1", "gpu-1": "GPU-bbbb"}),
        ("MIG-GPU-aaaa/2/0", {"gpu-0-mig-2-0": "MIG-GPU-aaaa/2/0"}),
        ("MIG-GPU-aaaa/../x,MIG-gone", {}),
    ],
)
def test_each_slice_of_a_gpu_is_a_slot_and_the_worker_gets_its_uuid(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    visible: str | None,
    expected: dict[str, str],
) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, SLICES)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    slots = _gpu_slots()
    assert {slot.name: slot.cuda_visible_devices for slot in slots} == expected
    assert ("no such GPU. Runs train on the CPU" in caplog.text) == (not expected)
    assert not slots or slots[0].title.startswith("NVIDIA A, slice ")


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "echo; echo GPU 0:", "true"])
def test_without_a_usable_gpu_there_is_one_slot_for_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, script)
    gpu_slots.cache_clear()
    try:
        [slot] = list_slots(tmp_path)
    finally:
        gpu_slots.cache_clear()
    assert slot.name == "cpu"
    assert slot.cuda_visible_devices == ""
    assert f"{available_cores()} core" in slot.title


@pytest.mark.parametrize(("setting", "names"), [("", ["cpu"]), ("1", ["cpu"]), ("3", ["cpu-0", "cpu-1", "cpu-2"])])
def test_the_cpu_can_be_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, names: list[str]) -> None:
    fake_nvidia_smi(monkeypatch, tmp_path, "exit 9")
    monkeypatch.setenv("FER_CPU_SLOTS", setting)
    for module in ("core.jobs.slots", "core.machine"):
        monkeypatch.setattr(f"{module}.available_cores", lambda: 8)
    gpu_slots.cache_clear()
    slots = list_slots(tmp_path)
    gpu_slots.cache_clear()
    assert [slot.name for slot in slots] == names
    assert {("2 of 8 cores" if len(names) == 3 else "CPU, 8 cores") in slot.title for slot in slots} == {True}


@pytest.mark.parametrize("setting", ["0", "65", "-1", "two", "1.5"])
def test_a_senseless_number_of_slots_is_told_to_who_starts(
    monkeypatch: pytest.MonkeyPatch, runs_root: Path, setting: str
) -> None:
    monkeypatch.setenv("FER_CPU_SLOTS", setting)
    with pytest.raises(ConfigError, match="must be a number from 1 to 64"):
        control.start(runs_root, runs_root, TINY)


def test_runs_that_share_the_cpu_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.machine.available_cores", lambda: 3)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    for slots, threads in (("1", 3), ("2", 1), ("8", 1)):
        monkeypatch.setenv("FER_CPU_SLOTS", slots)
        assert choose_compute(TINY.model_copy(update={"threads": 0})).threads == threads
        assert choose_compute(TINY.model_copy(update={"threads": 2})).threads == 2
