"""Names that new runs are offered."""

import pytest

from core.presets import PRESETS, make_config
from core.runs.naming import MAX_NAME, free_name, suggest_clone_name, suggest_name

QUICK = PRESETS["quick"].config
EPOCHS = QUICK.epochs


def test_a_run_is_named_after_preset_dataset_and_seed_and_what_was_changed() -> None:
    plain = make_config("quick", {"dataset": "demo"})
    assert suggest_name("quick", plain, QUICK, []) == "quick demo seed 0"
    changed = make_config("quick", {"dataset": "demo", "seed": 3, "learning_rate": 0.0005, "flip": False})
    assert suggest_name("quick", changed, QUICK, []) == "quick demo seed 3 learning_rate=0.0005 flip=false"


def test_no_two_runs_are_offered_one_name() -> None:
    taken = ["quick fer2013 seed 0", "quick fer2013 seed 0 (2)"]
    assert suggest_name("quick", QUICK, QUICK, taken) == "quick fer2013 seed 0 (3)"
    assert suggest_clone_name(taken[1], QUICK, QUICK, taken) == "quick fer2013 seed 0 (3)"


@pytest.mark.parametrize(
    ("parent", "changes", "name"),
    [
        ("my best", {"epochs": 9}, "my best epochs=9"),
        ("quick fer2013 seed 0", {"seed": 7}, "quick fer2013 seed 7"),
        ("quick fer2013 seed 0", {"dataset": "demo"}, "quick demo seed 0"),
        (f"my best epochs={EPOCHS}", {"epochs": 9, "seed": 1}, "my best epochs=9 seed=1"),
        ("seed 00 epochs=40", {"epochs": 9, "seed": 1}, "seed 00 epochs=40 epochs=9 seed=1"),
        ("my best", {"teachers": ("one", "two")}, "my best teachers=one,two"),
        (r"\g<0> [", {"weight_decay": 0.1}, r"\g<0> [ weight_decay=0.1"),
    ],
)
def test_a_clone_has_its_parents_name_and_what_was_changed(parent: str, changes: dict[str, object], name: str) -> None:
    assert suggest_clone_name(parent, make_config("quick", changes), QUICK, [parent]) == name


def test_a_long_name_is_cut_and_still_its_own() -> None:
    first = suggest_clone_name("x" * 200, QUICK, QUICK, [])
    second = suggest_clone_name("x" * 200, QUICK, QUICK, [first])
    assert len(first) == len(second) == MAX_NAME and first != second
    assert first.endswith("…") and second.endswith("… (2)")


def test_the_mark_behind_a_name_is_never_cut() -> None:
    first = free_name("x" * 200, [], " (reproduction)")
    second = free_name("x" * 200, [first], " (reproduction)")
    assert first.endswith("… (reproduction)") and second.endswith("… (reproduction) (2)")
    assert len(first) == len(second) == MAX_NAME
