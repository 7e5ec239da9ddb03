"""What presets promise."""

from pathlib import Path

import pytest

from core.data.importers.demo import import_demo
from core.presets import PRESETS, make_config
from core.runs.create import create_run
from core.runs.history import read_rows
from tests.core.training.test_loop import train_on


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_run_of_a_newcomer_visibly_learns(tmp_path: Path) -> None:
    """The preset `quick` on the demo dataset as it is generated; chance is 14%."""
    import_demo(tmp_path / "data")
    config = make_config("quick", {"dataset": "demo", "device": "cpu", "threads": 1})
    paths = create_run(tmp_path / "runs", config)
    train_on(paths, config, tmp_path / "data")
    accuracies = [row["validation_accuracy"] for row in read_rows(paths.epochs)[0]]
    print([f"{accuracy:.1%}" for accuracy in accuracies])
    assert max(accuracies) >= 0.75
    assert accuracies[len(accuracies) // 2] >= 0.65, "and soon"


@pytest.mark.parametrize("name", PRESETS)
def test_the_command_of_a_preset_starts_its_settings(name: str) -> None:
    assert PRESETS[name].command == f"python -m core train --preset {name}"
    assert make_config(name) == PRESETS[name].config
