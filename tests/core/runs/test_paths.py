"""Names of runs and of the files in their folders."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RunError
from core.runs.paths import QueuePaths, RunPaths, is_run_id, new_run_id

BAD_IDS = ["", ".", "..", "../x", "x/y", "/etc", "a\\b", "-a", ".queue", "A", "a b", "a\n", "a\0", "ä", "a" * 65, "a.b"]


@pytest.mark.parametrize("name", BAD_IDS)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    assert not is_run_id(name)
    with pytest.raises(RunError, match=r"Invalid run ID .*: use 1–64 characters: a–z, 0–9 and hyphens\.$"):
        RunPaths(Path("runs"), name)


@given(st.text(max_size=70))
def test_no_text_leads_out_of_the_folder_of_runs(name: str) -> None:
    root = Path("/somewhere/runs")
    if is_run_id(name):
        assert RunPaths(root, name).folder.parent == root
        assert len((root / name).parts) == len(root.parts) + 1


def test_new_ids_are_allowed_and_differ() -> None:
    ids = {new_run_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(is_run_id(each) for each in ids)


def test_ids_sort_by_time() -> None:
    moments = [datetime(2026, 11, 22, 13, 45, 1, tzinfo=UTC) + timedelta(seconds=1000 * step) for step in range(200)]
    ids = [new_run_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert ids[0].startswith("20261122-134501-")


def test_every_path_of_a_run_is_in_its_folder_and_none_is_there_twice() -> None:
    paths = RunPaths(Path("runs"), "a-run")
    properties = [name for name, value in vars(RunPaths).items() if isinstance(value, property) and name != "folder"]
    found = [getattr(paths, name) for name in properties] + [paths.predictions("test"), paths.predictions("validation")]
    assert {path.parent for path in found} == {paths.folder}
    assert len(set(found)) == len(found)


def test_the_weights_have_the_original_projects_name() -> None:
    assert RunPaths(Path("runs"), "x").weights.name == "fer2013_model_2.pth"


def test_the_queue_lies_beside_the_runs_under_a_name_no_run_can_have() -> None:
    queue = QueuePaths(Path("runs"))
    assert queue.folder.parent == Path("runs")
    assert not is_run_id(queue.folder.name)
    assert queue.slot_lock("cpu") != queue.slot_lock("gpu-0")
