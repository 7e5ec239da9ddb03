"""The cores of this machine are counted, and divided between processes, in one place."""

import ast
from pathlib import Path

import pytest

from core.machine import thread_share
from tests.conftest import PROJECT_ROOT

COUNTING = {"cpu_count", "process_cpu_count", "sched_getaffinity"}
RECORDING = ("core/runs/environment.py", "core/bench/pages.py")
"""These write down how many cores the machine has, whoever may use them."""


def divisions_of_cores(root: Path) -> list[str]:
    """Where cores are counted or divided, but for `core/machine.py`."""
    found = []
    for path in sorted(each for top in ("core", "dashboard") for each in (root / top).rglob("*.py")):
        name = str(path.relative_to(root))
        if name == "core/machine.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            counts = isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).split(".")[-1] in COUNTING
            divides = isinstance(node, ast.BinOp) and "available_cores()" in ast.unparse(node)
            if divides or (counts and name not in RECORDING):
                found.append(f"{name}:{node.lineno}")
    return found


def test_cores_are_divided_nowhere_else() -> None:
    assert divisions_of_cores(PROJECT_ROOT) == []


@pytest.mark.parametrize("text", ["import os\nn = os.cpu_count() // 2\n", "n = available_cores() - 1\n"])
def test_a_second_division_is_noticed(text: str, tmp_path: Path) -> None:
    (tmp_path / "core" / "jobs").mkdir(parents=True)
    (tmp_path / "core" / "jobs" / "x.py").write_text(text)
    assert divisions_of_cores(tmp_path)


@pytest.mark.parametrize(
    ("cores", "slots", "beside", "share"), [(8, 1, False, 8), (8, 1, True, 4), (8, 3, True, 2), (2, 4, False, 1)]
)
def test_each_process_gets_an_equal_share_and_at_least_one(
    cores: int, slots: int, beside: bool, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.machine.available_cores", lambda: cores)
    monkeypatch.setenv("FER_CPU_SLOTS", str(slots))
    assert thread_share(beside_runs=beside) == share
