"""Model cards: every accuracy with its split and interval, and no text of people."""

from pathlib import Path

import pytest

from core.errors import RunError
from core.exchange.formats import Format, export_run
from core.exchange.intended_use import INTENDED_USE
from core.exchange.model_card import model_card
from core.review.runs import annotate
from core.runs.reader import read_run
from tests.conftest import PROJECT_ROOT
from tests.dashboard_fixtures import write_run


def test_the_card_of_the_reference_run(tmp_path: Path) -> None:
    [file] = export_run(read_run(PROJECT_ROOT / "runs", "reference-cnn-model-2"), Format.MODEL_CARD, tmp_path)
    lines = file.read_text().splitlines()
    assert file.name == "reference-cnn-model-2-model-card.md" and INTENDED_USE in lines
    assert "| validation | single | 3,589 | 69.0% | 67.5% to 70.5% | 65.9% | 2.6% |" in lines
    assert "| test | flip TTA | 3,589 | 70.5% | 69.0% to 72.0% | 67.2% | 3.0% |" in lines
    assert "| test, no train duplicates | single | 3,301 | 68.2% | 66.6% to 69.8% | | |" in lines
    assert "| happy | 86.9% | 87.8% | 87.3% | 895 |" in lines
    assert "| `optimizer` | `muon` |" in lines


def test_what_people_wrote_is_not_in_it(runs_root: Path, demo_root: Path) -> None:
    fake = write_run(runs_root, demo_root, "finished", name="<script>")
    annotate(fake.paths, "Ada", {"notes": "# Heading"})
    card = model_card(read_run(runs_root, fake.id))
    assert not any(text in card for text in ("<script>", "# Heading", "Ada"))


def test_a_run_without_metrics_has_none(runs_root: Path, demo_root: Path) -> None:
    fake = write_run(runs_root, demo_root, "stopped")
    with pytest.raises(RunError, match="has no metrics for a model card yet"):
        model_card(read_run(runs_root, fake.id))
