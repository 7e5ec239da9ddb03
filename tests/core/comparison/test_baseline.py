"""Runs beside each other: only what differs, seeds grouped, and the baseline told from the rest."""

from pathlib import Path

import numpy as np
import pytest

from core.bench import synthetic_records
from core.comparison.baseline import against_baseline, seed_groups, setting_differences
from core.errors import RunError
from core.evaluation.predictions import write_predictions
from core.files import read_json, write_json
from core.presets import make_config
from core.runs.create import create_run
from core.runs.reader import read_run
from core.runs.records import Run

IMAGES = 600
LABELS = np.random.default_rng(0).integers(0, 7, IMAGES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def scored(root: Path, name: str, wrong: range, labels: np.ndarray = LABELS, **settings: object) -> Run:
    """A run that is wrong about these images and right about the others."""
    paths = create_run(root, make_config("quick", settings), run_id=name)
    predicted = labels.copy()
    predicted[list(wrong)] = (predicted[list(wrong)] + 1) % 7
    probabilities = np.full((IMAGES, 7), 0.02)
    probabilities[np.arange(IMAGES), predicted] = 0.88
    ids = np.array([f"image-{i}" for i in range(IMAGES)])
    write_predictions(paths.predictions("validation"), ids, labels, probabilities)
    write_json(
        paths.summary,
        synthetic_records.summary([], synthetic_records.evaluation({"validation": (labels, probabilities)})),
    )
    return read_run(root, name)


def test_a_better_run_is_called_better_and_its_reseeding_is_not(root: Path) -> None:
    base = scored(root, "base", range(200), seed=1)
    better = scored(root, "better", range(150), learning_rate=0.002)
    reseeded = scored(root, "reseeded", range(150), seed=2)
    near = scored(root, "near", range(5, 202), epochs=3)
    rows = against_baseline([base, better, reseeded, near], base, "validation")
    assert [row.accuracy for row in rows] == pytest.approx([400 / 600, 450 / 600, 450 / 600, 403 / 600])
    assert rows[0].words == "baseline" and rows[0].comparison is None
    assert rows[1].words.startswith("+8.3 pp (95% CI ")
    assert rows[2].reseeded and rows[2].words.endswith("seed effect only")
    assert rows[3].words == "not significant (p = 0.45)"


def test_several_comparisons_are_judged_more_strictly(root: Path) -> None:
    base = scored(root, "base", range(100, 200))
    close = scored(root, "close", range(109, 201), epochs=3)  # 9 against 1: p = 0.02
    alone = against_baseline([base, close], base, "validation")[1]
    assert alone.words.startswith("+")
    others = [scored(root, f"other-{i}", range(100 + i, 200 + i), epochs=5 + i) for i in range(4)]
    row = against_baseline([close, *others], base, "validation")[0]
    assert row.comparison == alone.comparison
    assert row.words.startswith("not significant")


def test_what_cannot_be_compared_says_why(root: Path) -> None:
    base = scored(root, "base", range(10))
    other = scored(root, "other", range(10), labels=(LABELS + 1) % 7)
    waiting = read_run(root, create_run(root, make_config("quick"), run_id="waiting").run_id)
    rows = against_baseline([other, waiting], base, "validation")
    assert "the labels of" in rows[0].words
    assert "predictions-validation.parquet doesn't exist yet" in rows[1].words and rows[1].accuracy is None
    with pytest.raises(RunError, match="Use one of validation, test"):
        against_baseline([other], base, "train")


def test_a_difference_to_other_data_is_none_even_with_equal_ids_and_labels(root: Path) -> None:
    base, same, other = (scored(root, name, range(at * 30)) for at, name in enumerate(("base", "same", "other")))
    for run, content in ((base, "a"), (same, "a"), (other, "b")):
        write_json(run.paths.summary, read_json(run.paths.summary) | {"dataset_fingerprint": content * 64})
    base, same, other = (read_run(root, run.id) for run in (base, same, other))
    rows = against_baseline([same, other], base, "validation")
    assert rows[0].comparison is not None
    assert rows[1].comparison is None and rows[1].words == "Not comparable: trained on different datasets."


def test_only_settings_that_differ_are_told(root: Path) -> None:
    runs = [scored(root, f"run-{i}", range(10), epochs=2 + i // 2, seed=i) for i in range(3)]
    (root / "run-2" / "config.json").write_text("{")
    runs[2] = read_run(root, "run-2")
    assert setting_differences(runs) == {"seed": [0, 1, None]}
    assert setting_differences(runs[:1]) == {}


def test_seeds_of_one_recipe_are_one_group(root: Path) -> None:
    runs = [scored(root, f"run-{i}", range(100 * (i + 1)), seed=i) for i in range(3)]
    runs.append(scored(root, "again", range(5), seed=9, epochs=1))
    (group,) = seed_groups(runs, "validation")
    assert [run.id for run in group.runs] == ["run-0", "run-1", "run-2"]
    mean, spread = group.mean_and_std or (0, 0)
    assert (mean, spread) == (pytest.approx(2 / 3), pytest.approx(1 / 6))
    assert seed_groups(runs, "test")[0].mean_and_std is None
    assert seed_groups(runs[2:], "validation") == []
