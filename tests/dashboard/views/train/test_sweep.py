"""The form of the Train page with several values for a setting: what it starts and refuses, what a link restores."""

from pathlib import Path

import pytest

from core.jobs import control
from core.runs.groups import Group, list_groups, members_of
from core.runs.reader import list_runs
from core.team.people import Role
from tests.dashboard.conftest import Opener, Writer, words


@pytest.fixture(autouse=True)
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started stays in the queue."""
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)


def swept(**texts: str) -> dict[str, str]:
    """The address of a form in which these settings have these values."""
    return {f"sweep-{name}": text for name, text in texts.items()}


def started(runs_root: Path) -> Group:
    [group] = list_groups(runs_root)
    return group


# --- what it starts


def test_every_combination_becomes_a_run_of_one_group_and_a_second_click_starts_no_other(
    open_page: Opener, runs_root: Path
) -> None:
    app = open_page("train")
    app.text_input(key="who").set_value("Ada")
    app.toggle(key="sweep").set_value(True).run()
    app.multiselect(key="sweep-fields").set_value(["learning_rate", "optimizer"]).run()
    app.text_input(key="sweep-learning_rate").set_value("0.01, 0.02, 0.05, 0.1")
    app.multiselect(key="sweep-optimizer").set_value(["adam", "sgd"]).run()
    shown = words(app)
    assert "New sweep" in shown
    assert "**8 runs, about " in shown and "each)" in shown
    assert "Learning rate (4) × Optimizer (2) = 8 combinations" in shown
    assert app.button(key="start").label == "Start 8 runs" and not app.button(key="start").disabled
    assert app.query_params == swept(learning_rate="0.01, 0.02, 0.05, 0.1", optimizer="adam, sgd")
    line = "--sweep learning_rate=0.01,0.02,0.05,0.1 --sweep optimizer=adam,sgd"
    assert "python -m core train --preset quick --set dataset=demo" in shown and line in shown
    assert app.text_input(key="field-learning_rate").disabled and not app.text_input(key="field-epochs").disabled

    app.button(key="start").click().run()
    group = started(runs_root)
    assert app.query_params["name"] == group.name and app.title[0].value == group.title == "quick demo sweep"
    runs = members_of(runs_root, group).runs
    tried = [(run.config.learning_rate, run.config.optimizer) for run in runs if run.config]
    assert tried == [(rate, name) for rate in (0.01, 0.02, 0.05, 0.1) for name in ("adam", "sgd")]
    assert {run.meta.author for run in runs} == {"Ada"} and group.record.keep == "all"

    del app.query_params["name"]  # as a browser does on the way to another page
    app.switch_page("views/train/page.py").run()
    app.button(key="start").click().run()
    assert len(list_groups(runs_root)) == 1 and len(list_runs(runs_root)) == 8


@pytest.mark.slow
def test_seeds_are_a_group_of_seeds_and_the_best_may_be_the_only_one_to_keep_its_weights(
    open_page: Opener, runs_root: Path
) -> None:
    app = open_page("train", **swept(seed="0..4"))
    app.text_input(key="run-name").set_value("five seeds")
    app.toggle(key="sweep-keep-best").set_value(True).run()
    assert "--sweep seed=0,1,2,3,4 --keep best" in words(app)
    app.button(key="start").click().run()
    group = started(runs_root)
    assert (group.kind, group.title, group.record.keep) == ("seeds", "five seeds", "best")
    assert [values["seed"] for values in (member.values for member in group.record.members)] == [0, 1, 2, 3, 4]


def test_a_random_sample_starts_so_many_of_the_combinations(open_page: Opener, runs_root: Path) -> None:
    app = open_page("train", **swept(learning_rate="0.001, 0.002, 0.005", batch_size="32, 64, 128"))
    app.get("button_group")[0].set_value("Random sample").run()
    assert app.button(key="start").disabled, "how many is not said yet"
    app.text_input(key="sweep-sample").set_value("10").run()
    assert "Can't draw 10 different runs: there are only 9 combinations." in words(app)
    assert app.button(key="start").disabled
    app.text_input(key="sweep-sample").set_value("4").run()
    assert "4 drawn at random of Learning rate (3) × Batch size (3) = 9 combinations" in words(app)
    assert "--sample 4" in words(app)
    app.button(key="start").click().run()
    record = started(runs_root).record
    tried = {tuple(member.values.items()) for member in record.members}
    assert (record.how, record.sample, len(tried)) == ("random", 4, 4)


@pytest.mark.slow
def test_a_clone_can_be_swept(open_page: Opener, write: Writer, runs_root: Path) -> None:
    parent = write("finished", name="parent", epochs=3, seed=77)
    app = open_page("train", clone=parent.id, **swept(weight_decay="0.01, 0.1"))
    assert "--preset original" in words(app) and "--set seed=77" in words(app)
    app.button(key="start").click().run()
    group = started(runs_root)
    assert group.title == "parent sweep" and group.record.parent == parent.id
    configs = [run.config for run in members_of(runs_root, group).runs if run.config]
    assert [(config.seed, config.epochs, config.weight_decay) for config in configs] == [(77, 3, 0.01), (77, 3, 0.1)]


# --- typing


def test_several_values_typed_into_a_field_become_a_sweep(open_page: Opener) -> None:
    app = open_page("train")
    app.text_input(key="field-learning_rate").set_value("0.01, 0.02").run()
    assert app.toggle(key="sweep").value and app.multiselect(key="sweep-fields").value == ["learning_rate"]
    assert app.text_input(key="sweep-learning_rate").value == "0.01, 0.02"
    field = app.text_input(key="field-learning_rate")
    assert (field.value, field.label) == ("0.003", "Learning rate (sweep)")
    assert app.button(key="start").label == "Start 2 runs"
    app.text_input(key="field-batch_size").set_value("32,64").run()
    assert app.button(key="start").label == "Start 4 runs"


@pytest.mark.slow
def test_a_decimal_comma_is_no_second_value(open_page: Opener) -> None:
    app = open_page("train")
    app.text_input(key="field-learning_rate").set_value("0,01").run()
    assert not app.toggle(key="sweep").value and "--set learning_rate=0.01" in words(app)


def test_a_setting_begins_with_the_value_of_the_form(open_page: Opener) -> None:
    app = open_page("train")
    app.toggle(key="sweep").set_value(True).run()
    app.multiselect(key="sweep-fields").set_value(["batch_size", "flip"]).run()
    assert app.text_input(key="sweep-batch_size").value == "64, "
    assert app.multiselect(key="sweep-flip").value == ["true", "false"], "a switch has no other values"
    assert "must" not in words(app).replace("must be at least", ""), "an unfinished list is not an error"
    assert app.button(key="start").label == "Start 2 runs"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0.01, many", "Learning rate must be a number (got 'many')."),
        ("0.01, 0.01", "Learning rate: 0.01 is there twice."),
    ],
)
def test_what_is_wrong_with_a_value_is_said_beside_it_and_nothing_starts(
    open_page: Opener, typed: str, said: str
) -> None:
    app = open_page("train", **swept(learning_rate=typed, batch_size="32, 64"))
    beside = [each.value for each in app.markdown if each.value.startswith(":red[")]
    assert said in words(app) and app.button(key="start").disabled and len(beside) == 1


@pytest.mark.slow
def test_one_value_is_no_sweep_and_too_many_runs_are_refused(open_page: Opener) -> None:
    app = open_page("train", **swept(seed="3"))
    assert "A sweep needs a field with two values or more" in words(app) and app.button(key="start").disabled
    app.text_input(key="sweep-seed").set_value("1..150")
    app.multiselect(key="sweep-fields").set_value(["seed", "flip"]).run()
    assert "300 runs are too many for one sweep (max 200)" in words(app) and app.button(key="start").disabled


@pytest.mark.slow
def test_a_setting_that_one_of_the_values_needs_is_asked_for(open_page: Opener) -> None:
    app = open_page("train", preset="original")
    assert not [each for each in app.text_input if each.key == "field-muon_learning_rate"], "the optimizer is adam"
    app = open_page("train", preset="original", **swept(optimizer="adam, muon"))
    assert app.text_input(key="field-muon_learning_rate").value == "0.02"


# --- the address and the role


def test_a_link_shows_the_same_sweep(open_page: Opener) -> None:
    address = swept(learning_rate="0.01, 0.02", optimizer="adam, sgd") | {"sweep-keep-best": "1"}
    again = open_page("train", **address)
    assert again.button(key="start").label == "Start 4 runs" and again.toggle(key="sweep-keep-best").value
    assert again.query_params == address
    again.toggle(key="sweep").set_value(False).run()
    assert not again.query_params and again.button(key="start").label == "Start training"


@pytest.mark.slow
def test_a_link_with_nonsense_in_it_shows_what_is_wrong(open_page: Opener) -> None:
    nonsense = {"sweep-optimizer": "adam, nope", "sweep-seed": "1, x", "sweep-sample": "many", "sweep-teachers": "a"}
    app = open_page("train", **nonsense)
    assert "Optimizer must be " in words(app) and "Seed must be a whole number" in words(app)
    assert app.button(key="start").disabled and app.multiselect(key="sweep-fields").value == ["optimizer", "seed"]


@pytest.mark.slow
def test_a_viewer_may_not_start_a_sweep(open_page: Opener, visit_as: object) -> None:
    visit_as(Role.VIEWER, name="Zoe", email="zoe@example.org")  # type: ignore[operator]
    app = open_page("train", **swept(seed="0, 1"))
    assert not [button for button in app.button if button.key == "start"]
    assert "“Start sweep” needs the role member. Your role is viewer." in words(app)
