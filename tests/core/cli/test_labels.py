"""The whole loop on the demo set, by the command line: train, review labels, make a correction set, train with it, see
what it fixed and broke."""

import csv
import io
import json

from core.cli.reference import REFERENCE
from core.data.dataset import load_split
from core.evaluation.predictions import read_predictions
from core.labels import LABELS
from core.review.corrections import run_corrections
from tests.core.terminal import SETTINGS, Terminal


def test_from_error_analysis_to_a_better_run(fer: Terminal) -> None:
    parent = fer("train", *SETTINGS, data=True)
    paths = fer.train(parent)
    train_ids = load_split(fer.data_root, "demo", "train").ids.tolist()
    misclassified = read_predictions(paths.predictions("validation")).query("not correct")["image_id"].tolist()

    def review(by: str, split: str, image: str, *words: str, code: int = 0) -> str:
        return fer(
            "labels", "review", parent, "--split", split, "--image", image, "--by", by, *words, data=True, code=code
        )

    wrong, right = train_ids[0], next(label for label in LABELS[::-1] if not train_ids[0].startswith(label))
    assert review("Ada", "train", wrong, "--decision", "label is wrong", "--label", right).endswith(
        f"{right}, 1 image."
    )
    review("Ada", "train", train_ids[1], "--decision", "not a face")
    review("Ada", "train", train_ids[2], "--decision", "ambiguous")
    review("Ben", "train", train_ids[2], "--decision", "hard but right")
    review("Ada", "train", train_ids[3], "--decision", "ambiguous")
    review("Ada", "train", train_ids[3], "--withdraw")
    review("Ben", "validation", misclassified[0], "--decision", "ambiguous")
    assert "not found in train of" in review("Ben", "train", "happy/gone", "--decision", "ambiguous", code=2)
    assert "Use either --decision, or --withdraw" in review("Ben", "train", wrong, code=2)

    rows = json.loads(fer("labels", "reviews", parent, "--json"))
    assert [(row["image"], row["disagreed"]) for row in rows] == [
        (wrong, False),
        (train_ids[1], False),
        (train_ids[2], True),
        (train_ids[2], True),
        (misclassified[0], False),
    ]
    assert len(json.loads(fer("labels", "reviews", parent, "--all", "--json"))) == 7
    assert [row["by"] for row in csv.DictReader(io.StringIO(fer("labels", "reviews", parent, "--csv")))][2:4] == [
        "Ada",
        "Ben",
    ]
    assert "(conflict)" in fer("labels", "reviews", parent)

    says = fer("corrections", "make", "look-1", parent)
    assert says == "look-1: 1 exclusion and 1 relabel in train, 1 exclusion in validation."
    assert "look-1" in fer("corrections", "list")
    assert json.loads(fer("corrections", "list", "--json"))[0]["says"] in says
    assert f"{wrong:36} {right}" in fer("corrections", "show", "look-1")
    assert "Choose another" in fer("corrections", "make", "look-1", parent, code=2)

    child = fer("runs", "clone", parent, "--set", "corrections=look-1", "--set", "seed=8", data=True)
    trained = fer.train(child)
    listed = run_corrections(trained)
    assert listed is not None
    environment = json.loads(trained.environment.read_text())
    assert environment["corrections"] == {"name": "look-1", "fingerprint": listed.fingerprint}
    assert json.loads(trained.summary.read_text())["train_images"] == len(train_ids) - 1

    found = json.loads(fer("runs", "changes", child, "--json"))
    assert found["against"] == parent
    before, after = (read_predictions(each.predictions("validation")) for each in (paths, trained))
    assert found["counts"]["fixed"] == int((~before["correct"] & after["correct"]).sum())
    assert found["counts"]["broken"] == int((before["correct"] & ~after["correct"]).sum())
    assert len(found["images"]) == len(before) and found["images"][0]["label"] in LABELS
    corrected = json.loads(fer("runs", "changes", child, "--corrected", "--json"))
    assert {row["image"] for row in found["images"]} - {row["image"] for row in corrected["images"]} == {
        misclassified[0]
    }
    assert len(fer("runs", "changes", child, "--split", "test").splitlines()) == 9
    assert len(fer("runs", "changes", child, "--csv").splitlines()) == len(before) + 1
    assert "--against" in fer("runs", "changes", parent, code=2)


def test_the_old_spellings_of_the_label_reviews_still_parse_and_are_shown_nowhere(fer: Terminal) -> None:
    run = fer("train", *SETTINGS, data=True)
    old, new = load_split(fer.data_root, "demo", "test").ids.tolist()[:2]
    on_test = (run, "--split", "test", "--by", "Ada")
    fer("runs", "verdict", *on_test, "--image", old, "--verdict", "ambiguous", data=True)
    fer("labels", "review", *on_test, "--image", new, "--decision", "not a face", data=True)
    listed = fer("labels", "reviews", run, "--json")
    assert [(row["image"], row["by"]) for row in json.loads(listed)] == [(old, "Ada"), (new, "Ada")]
    assert fer("runs", "verdicts", run, "--json") == listed
    assert "verdict" not in REFERENCE.read_text()
