"""GPUs that nvidia-smi lists and PyTorch cannot use: found out once, recorded, and said."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.files import write_json
from core.jobs import control, gpus
from core.jobs.gpus import check_gpus, unusable_gpus
from core.jobs.slots import check_slots, gpu_notice, gpu_slots, list_slots
from core.runs.paths import QueuePaths, RunPaths
from tests.core.conftest import TINY, wait_for_end
from tests.core.jobs.test_slots import TWO_GPUS, fake_nvidia_smi

KINDS = {"NVIDIA A": "GPU-aaaa", "NVIDIA B": "GPU-bbbb"}


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """nvidia-smi lists two GPUs of two kinds; PyTorch finds none of that name."""
    fake_nvidia_smi(monkeypatch, tmp_path, TWO_GPUS)
    gpu_slots.cache_clear()
    yield
    gpu_slots.cache_clear()


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The same with one."""
    fake_nvidia_smi(monkeypatch, tmp_path, TWO_GPUS.partition(";")[0])
    gpu_slots.cache_clear()
    yield
    gpu_slots.cache_clear()


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which GPUs were tried; only the first kind can be used."""
    uuids: list[str] = []

    def attempt(uuid: str) -> str:
        uuids.append(uuid)
        return "" if uuid == "GPU-aaaa" else "its driver is too old; update the driver"

    monkeypatch.setattr(gpus, "_try", attempt)
    return uuids


@pytest.mark.usefixtures("one_gpu")
def test_a_run_on_a_machine_whose_gpus_are_useless_has_a_slot_of_the_cpu_and_its_log_says_why(
    runs_root: Path, demo_root: Path
) -> None:
    assert [slot.name for slot in list_slots(runs_root)] == ["gpu-0"], "nobody knows better yet"
    assert gpu_notice(runs_root) == ""
    run_id = control.start(runs_root, demo_root, TINY.model_copy(update={"epochs": 1, "device": "auto"}))
    run = wait_for_end(runs_root, run_id)
    assert run.state == "finished", run.problem
    assert run.status.slot == "cpu"
    notice = gpu_notice(runs_root)
    assert notice.startswith("PyTorch can't use NVIDIA A: ")
    assert "runs train on the CPU" in notice and "CUDA_VISIBLE_DEVICES" in notice and "\n" not in notice
    assert notice in RunPaths(runs_root, run_id).log.read_text()
    [slot] = list_slots(runs_root)
    assert (slot.name, slot.notice) == ("cpu", notice)


@pytest.mark.usefixtures("two_gpus")
def test_the_gpus_that_can_be_used_are_used(runs_root: Path, tried: list[str]) -> None:
    check_slots(runs_root)
    assert tried == ["GPU-aaaa", "GPU-bbbb"]
    assert [slot.name for slot in list_slots(runs_root)] == ["gpu-0"]
    assert gpu_notice(runs_root).startswith("PyTorch can't use NVIDIA B: its driver is too old; update the driver. ")
    assert "runs train on the other GPUs" in gpu_notice(runs_root)


@pytest.mark.usefixtures("two_gpus")
def test_two_kinds_with_one_reason_are_one_sentence(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_try", lambda _: "its driver is too old; update the driver")
    check_slots(runs_root)
    assert gpu_notice(runs_root).count("PyTorch can't use") == 1
    assert "NVIDIA A and NVIDIA B: its driver" in gpu_notice(runs_root)


def test_gpus_that_work_are_tried_once_and_the_others_again(runs_root: Path, tried: list[str]) -> None:
    working = {"NVIDIA A": "GPU-aaaa"}
    for _ in range(2):
        check_gpus(runs_root, working)
    assert tried == ["GPU-aaaa"]
    for _ in range(2):
        check_gpus(runs_root, KINDS)
    assert tried == ["GPU-aaaa", *KINDS.values(), *KINDS.values()]
    assert list(unusable_gpus(runs_root, KINDS)) == ["NVIDIA B"]


@pytest.mark.parametrize("changed", ["boot", "driver", "torch", "NVIDIA A"])
def test_what_was_recorded_of_another_machine_boot_driver_or_pytorch_does_not_count(
    runs_root: Path, tried: list[str], changed: str
) -> None:
    check_gpus(runs_root, KINDS)
    record = json.loads(QueuePaths(runs_root).gpus.read_text())
    record["about"][changed] += "x"
    write_json(QueuePaths(runs_root).gpus, record)
    assert unusable_gpus(runs_root, KINDS) == {}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"about": 1}'])
def test_a_corrupt_record_is_no_record(runs_root: Path, content: str) -> None:
    QueuePaths(runs_root).folder.mkdir()
    QueuePaths(runs_root).gpus.write_text(content)
    assert unusable_gpus(runs_root, KINDS) == {}


@pytest.mark.parametrize("module", ["core.errors", "core.no_such_module"])
def test_where_a_check_says_nothing_the_worker_decides(
    runs_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, module: str
) -> None:
    monkeypatch.setattr(gpus, "CHECK", module)
    check_gpus(runs_root, {"NVIDIA A": "GPU-aaaa"})
    assert unusable_gpus(runs_root, {"NVIDIA A": "GPU-aaaa"}) == {}
    assert "GPU-aaaa can't be checked" in caplog.text


def test_a_machine_without_gpus_records_nothing(runs_root: Path, tried: list[str]) -> None:
    check_gpus(runs_root, {})
    assert not tried and list(runs_root.iterdir()) == []


def test_a_runs_root_that_is_gone_is_not_made_anew(tmp_path: Path, tried: list[str]) -> None:
    check_gpus(tmp_path / "gone", KINDS)
    assert tried and not (tmp_path / "gone").exists()
