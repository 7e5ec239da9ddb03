"""Runs as flat rows, for a CSV that is opened in a spreadsheet."""

from pathlib import Path

from core.config import TrainConfig
from core.runs.create import create_run, write_status
from core.runs.reader import read_run, read_status
from core.runs.table import as_rows


def test_the_device_that_was_used_stands_beside_the_one_that_was_asked_for(tmp_path: Path) -> None:
    paths = create_run(tmp_path, TrainConfig(dataset="demo"), run_id="run")
    write_status(paths, read_status(paths).model_copy(update={"device": "NVIDIA H100 PCIe, bfloat16"}))
    [row] = as_rows([read_run(tmp_path, "run")])
    assert (row["device"], row["device_used"]) == ("auto", "NVIDIA H100 PCIe, bfloat16")


def test_no_text_of_a_run_is_a_formula(tmp_path: Path) -> None:
    paths = create_run(tmp_path, TrainConfig(dataset="demo"), run_id="run", name="=1", author="@ada")
    update = {"state": "failed", "error": '=HYPERLINK("http://evil.test")', "device": "-x"}
    write_status(paths, read_status(paths).model_copy(update=update))
    [row] = as_rows([read_run(tmp_path, "run")])
    assert not [value for value in row.values() if isinstance(value, str) and value.startswith(("=", "+", "-", "@"))]
