"""The form of the Train page: what fills it, and what it refuses."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.predictions import read_predictions
from core.jobs import control
from core.review.corrections import save_corrections
from core.review.draft import make_corrections
from core.review.images import add_label_reviews
from core.runs.ensembles import create_ensemble
from core.runs.reader import list_runs, read_run
from tests.dashboard.conftest import Opener, Writer, words
from tests.members import write_members


def test_a_preset_fills_the_form(open_page: Opener) -> None:
    app = open_page("train")
    assert app.text_input(key="field-epochs").value == "20"
    app.radio(key="preset").set_value("original").run()
    assert app.text_input(key="field-epochs").value == "50"
    app.radio(key="preset").set_value("quick").run()
    assert app.selectbox(key="field-schedule").value == "linear"


def test_a_wrong_setting_is_explained_and_cannot_be_started(open_page: Opener) -> None:
    app = open_page("train")
    for typed, said in (("50", "less than or equal to 10 (got 50)"), ("0,0", "greater than 0 (got 0,0)")):
        app.text_input(key="field-learning_rate").set_value(typed).run()
        assert f"Learning rate must be {said}." in words(app)
        assert not start_is_open(app)
    app.text_input(key="field-learning_rate").set_value("0,0005").run()
    assert start_is_open(app) and "--set learning_rate=0.0005" in words(app)


def start_is_open(app: AppTest) -> bool:
    return not next(button for button in app.button if button.label == "Start training").disabled


def test_a_clone_whose_dataset_is_not_here_asks_for_another_before_it_can_start(
    open_page: Opener, write: Writer
) -> None:
    run = write("finished", epochs=2)
    config = json.loads(run.paths.config.read_text())
    run.paths.config.write_text(json.dumps(config | {"dataset": "team"}))
    app = open_page("train", clone=run.id)
    for _ in range(2):  # also after something else was changed
        assert app.selectbox(key="field-dataset").value is None
        assert "The dataset 'team' is not on this server: select another." in words(app)
        assert not start_is_open(app)
        app.text_input(key="field-epochs").set_value("5").run()
    app.selectbox(key="field-dataset").set_value("demo").run()
    assert start_is_open(app) and "--set dataset=demo" in words(app)


def test_a_clone_whose_correction_list_is_not_here_or_does_not_fit_asks_for_another(
    open_page: Opener, write: Writer, runs_root: Path
) -> None:
    run = write("finished", epochs=2)
    config = json.loads(run.paths.config.read_text())
    run.paths.config.write_text(json.dumps(config | {"corrections": "look-1"}))
    app = open_page("train", clone=run.id)
    assert app.selectbox(key="field-corrections").value is None and not start_is_open(app)
    assert "The correction set 'look-1' is not on this server: select another or none." in words(app)
    app.selectbox(key="field-corrections").set_value("").run()
    assert start_is_open(app) and "is not on this server" not in words(app)

    image = str(read_predictions(run.paths.predictions("validation"))["image_id"][0])
    add_label_reviews(run.paths, "Ada", "validation", [image], "ambiguous")
    draft = make_corrections("look-1", [read_run(runs_root, run.id)]).corrections
    save_corrections(runs_root, draft.model_copy(update={"data_fingerprint": "0" * 64}))
    app = open_page("train", clone=run.id)
    assert app.selectbox(key="field-corrections").value is None and not start_is_open(app)
    assert "The correction set 'look-1' was made for other data than 'demo'" in words(app)


def test_teachers_are_finished_runs_of_the_dataset_and_get_into_the_command(
    open_page: Opener, write: Writer, runs_root: Path
) -> None:
    teacher, other = write("finished", name="Teacher", epochs=2), write("finished", name="Elsewhere", epochs=2)
    write("stopped", name="Unfinished", done=1)
    summary = json.loads(other.paths.summary.read_text())
    other.paths.summary.write_text(json.dumps(summary | {"dataset_fingerprint": "0" * 64}))
    app = open_page("train")
    field = app.multiselect(key="field-teachers")
    accuracy = read_run(runs_root, teacher.id).validation_accuracy
    assert accuracy and field.options == [f"Teacher · {100 * accuracy:.1f}%"] and field.value == []
    assert app.multiselect(key="field-soft_labels").options == []
    assert "field-distillation_weight" not in {box.key for box in app.text_input}
    field.set_value([teacher.id]).run()
    app.text_input(key="field-distillation_weight").set_value("0,5").run()
    assert f"--set teachers={teacher.id} --set distillation_weight=0.5" in words(app)
    assert f"- Teachers: none → **{teacher.id}**" in words(app)
    again = open_page("train", **app.query_params)
    assert again.multiselect(key="field-teachers").value == [teacher.id] and start_is_open(again)


def test_weights_to_start_from_are_those_of_runs_of_any_dataset(
    open_page: Opener, write: Writer, runs_root: Path
) -> None:
    other, same = write("finished", name="Elsewhere", epochs=2), write("finished", name="Here", epochs=2)
    summary = json.loads(other.paths.summary.read_text())
    other.paths.summary.write_text(json.dumps(summary | {"dataset_fingerprint": "0" * 64}))
    app = open_page("train")
    field = app.multiselect(key="field-initial_weights")
    shown = [100 * (read_run(runs_root, run.id).validation_accuracy or 0) for run in (same, other)]
    assert field.options == [f"Here · {shown[0]:.1f}%", f"Elsewhere · {shown[1]:.1f}% on demo"]
    field.set_value([other.id, same.id]).run()
    assert f"--set initial_weights={other.id},{same.id}" in words(app)


def test_an_ensemble_is_offered_as_a_teacher(open_page: Opener, runs_root: Path, demo_root: Path) -> None:
    create_ensemble(runs_root, "both", [run.id for run in write_members(runs_root, demo_root)])
    app = open_page("train")
    field = app.multiselect(key="field-teachers")
    assert field.options[0] == "both · ensemble of 2"
    field.set_value(["both"]).run()
    assert "--set teachers=both" in words(app) and start_is_open(app)


def test_a_teacher_that_must_not_teach_is_refused_below_the_form(
    open_page: Opener, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    app = open_page("train", teachers="gone")
    assert app.multiselect(key="field-teachers").value == ["gone"]
    app.button(key="start").click().run()
    assert "Teacher not available: Run “gone” not found." in words(app) and not list_runs(runs_root)
    app.button(key="reset").click().run()
    assert app.multiselect(key="field-teachers").value == []


def test_a_field_that_does_nothing_is_not_shown_and_not_set(open_page: Opener) -> None:
    app = open_page("train", preset="best")
    app.text_input(key="field-muon_learning_rate").set_value("0.05").run()
    assert "muon_learning_rate=0.05" in words(app)
    app.selectbox(key="field-optimizer").set_value("adamw").run()
    assert "field-muon_learning_rate" not in {box.key for box in app.text_input}
    assert "optimizer=adamw" in words(app) and "muon_learning_rate=" not in words(app)


def test_what_was_changed_is_marked_listed_and_undone(open_page: Opener) -> None:
    app = open_page("train", preset="best")
    assert "Changed from" not in words(app)
    app.text_input(key="field-shift").set_value("0,080").run()
    assert "Changed from" not in words(app), "the same number, written in another way"
    app.text_input(key="field-epochs").set_value("9").run()
    app.toggle(key="field-flip").set_value(False).run()
    assert app.text_input(key="field-epochs").label == "Epochs (preset: 45)"
    assert app.toggle(key="field-flip").label == "Horizontal flip (preset: on)"
    assert "Changed from Best" in words(app)
    assert "- Epochs: 45 → **9**\n- Horizontal flip: on → **off**" in words(app)
    app.button(key="reset").click().run()
    assert app.text_input(key="field-epochs").label == "Epochs" and app.text_input(key="field-epochs").value == "45"
    assert "Changed from" not in words(app)


def test_a_clone_shows_its_parents_value_beside_a_changed_one(open_page: Opener, write: Writer) -> None:
    run = write("finished", name="The [parent]", epochs=3, seed=77)
    app = open_page("train", clone=run.id)
    assert app.text_input(key="field-seed").label == "Seed"
    app.text_input(key="field-seed").set_value("78").run()
    assert app.text_input(key="field-seed").label == "Seed (parent: 77)"
    assert "Changed from The [parent]" in words(app)


def test_every_setting_is_explained_with_its_range(open_page: Opener) -> None:
    shown = words(open_page("train"))
    assert "**Learning rate** (> 0, ≤ 10): Peak learning rate." in shown
    assert "**Epochs** (≥ 1, ≤ 10,000): Number of training epochs." in shown
