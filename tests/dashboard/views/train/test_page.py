"""The Train page: presets and clones that a link chooses, and the run that comes of it."""

from pathlib import Path

import pytest

from core.evaluation.predictions import read_predictions
from core.jobs import control
from core.presets import get_preset, make_config
from core.review.corrections import run_corrections, save_corrections
from core.review.draft import make_corrections
from core.review.images import add_label_reviews
from core.runs.estimate import ROUGH_IMAGES_PER_SECOND, estimate_duration
from core.runs.reader import list_runs, read_run
from tests.dashboard.conftest import Opener, Writer, words


def test_train_starts_one_run_for_a_double_click(
    open_page: Opener, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    app = open_page("train")
    assert "About" in words(app) and "python -m core train --preset quick --set dataset=demo" in words(app)
    app.text_input(key="field-epochs").set_value("2").run()
    app.text_input(key="run-name").set_value("a 'quoted' name").run()
    assert "--set epochs=2" in words(app)
    app.button(key="start").click().run()
    (run,) = list_runs(runs_root)
    assert run.config is not None and run.config.epochs == 2 and run.name == "a 'quoted' name"
    assert app.query_params["run"] == run.id

    app.switch_page("views/train/page.py").run()
    app.button(key="start").click().run()
    assert len(list_runs(runs_root)) == 1


def test_the_author_is_the_name_at_the_top(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    write("queued", author="Somebody Else")
    app = open_page("train")
    assert "Enter your name at the top right" in words(app) and "Somebody Else" not in words(app)
    app.text_input(key="who").set_value("Ada").run()
    assert "Author: Ada" in words(app) and [box.label for box in app.text_input].count("Your name") == 1
    app.button(key="start").click().run()
    assert {run.meta.author for run in list_runs(runs_root)} == {"Somebody Else", "Ada"}


@pytest.mark.parametrize(("linked", "chosen"), [("quick", "quick"), ("seed", "original")])
def test_a_link_chooses_the_preset_once_also_by_its_old_name(open_page: Opener, linked: str, chosen: str) -> None:
    app = open_page("train", preset=linked)
    assert app.radio(key="preset").value == chosen
    assert app.text_input(key="field-epochs").value == str(get_preset(chosen).config.epochs)
    app.radio(key="preset").set_value("best").run()
    assert app.radio(key="preset").value == "best"
    assert app.query_params["preset"] == "best"
    app.radio(key="preset").set_value("quick").run()
    assert not app.query_params


def test_a_link_to_a_preset_that_does_not_exist_says_so(open_page: Opener) -> None:
    app = open_page("train", preset="nope")
    assert "Unknown preset 'nope'. Use one of original, best, short, distilled, quick." in words(app)
    assert app.radio(key="preset").value == "quick"


def test_estimates_say_what_they_are_based_on(write: Writer, runs_root: Path) -> None:
    config = make_config("quick", {"model": "cnn-model-2", "epochs": 2, "images_per_epoch": 0})
    images = {"train": 1400, "validation": 40, "test": 40}
    rough = estimate_duration(config, images, [])
    assert rough.seconds == pytest.approx(2 * 1400 / ROUGH_IMAGES_PER_SECOND[config.model], rel=0.1)
    assert "rough" in rough.basis
    write("finished", epochs=1)
    write("failed", done=0)
    measured = estimate_duration(config, images, list_runs(runs_root))
    assert measured.images_per_second == 142 and "1 finished run" in measured.basis
    other = estimate_duration(make_config("quick", {"model": "cnn-model-1"}), images, list_runs(runs_root))
    assert "rough" in other.basis


def test_a_clone_fills_the_form_and_remembers_its_parent(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write("finished", name="The [parent]", epochs=3, seed=77)
    app = open_page("train", clone=run.id)
    assert "New run based on **The [parent]**" in words(app)
    assert app.text_input(key="field-seed").value == "77"
    assert f"python -m core runs clone {run.id}" in words(app)
    app.text_input(key="field-epochs").set_value("5").run()
    app.button(key="start").click().run()
    [child] = [each for each in list_runs(runs_root) if each.id != run.id]
    assert child.config is not None
    assert (child.meta.parent, child.config.seed, child.config.epochs) == (run.id, 77, 5)
    assert child.name == "The [parent] epochs=5"
    app = open_page("train", clone=run.id)
    app.button(key="no-clone").click().run()
    assert "Cloned from" not in words(app)
    assert app.text_input(key="field-seed").value == "0"


def test_a_clone_of_what_is_gone_or_damaged_says_so(open_page: Opener, write: Writer) -> None:
    assert "Run “gone” not found." in words(open_page("train", clone="gone"))
    run = write("finished", epochs=2)
    run.paths.config.write_text("{")
    app = open_page("train", clone=run.id)
    assert "is unreadable" in words(app)
    assert app.radio(key="preset")


def test_a_clone_with_a_list_of_corrections_starts_with_that_list(
    open_page: Opener, write: Writer, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    run = write("finished", epochs=2)
    assert not [each for each in open_page("train", clone=run.id).selectbox if each.key == "field-corrections"]
    image = str(read_predictions(run.paths.predictions("validation"))["image_id"][0])
    add_label_reviews(run.paths, "Ada", "validation", [image], "ambiguous")
    draft = make_corrections("first-look", [read_run(runs_root, run.id)])
    save_corrections(runs_root, draft.corrections)
    elsewhere = draft.corrections.model_copy(update={"name": "elsewhere", "data_fingerprint": "0" * 64})
    save_corrections(runs_root, elsewhere)

    app = open_page("train", clone=run.id, corrections="first-look")
    assert app.selectbox(key="field-corrections").options == ["None", "first-look"]
    assert app.selectbox(key="field-corrections").value == "first-look"
    assert "--set corrections=first-look" in words(app)
    app.button(key="start").click().run()
    [child] = [each for each in list_runs(runs_root) if each.id != run.id]
    assert (child.meta.parent, run_corrections(child.paths)) == (run.id, draft.corrections)
    assert open_page("train", clone=run.id).selectbox(key="field-corrections").value == ""


def test_a_reload_shows_the_same_form(open_page: Opener, write: Writer) -> None:
    write("finished", epochs=1)
    app = open_page("train")
    app.radio(key="preset").set_value("best").run()
    app.text_input(key="field-learning_rate").set_value("0,0005").run()
    app.text_input(key="field-epochs").set_value("many").run()
    app.toggle(key="field-flip").set_value(False).run()
    app.selectbox(key="field-optimizer").set_value("adamw").run()
    app.text_input(key="run-name").set_value("a & b=c").run()
    address = dict(app.query_params)

    again = open_page("train", **address)
    assert again.radio(key="preset").value == "best" and again.text_input(key="run-name").value == "a & b=c"
    assert again.text_input(key="field-learning_rate").value == "0,0005"
    assert again.text_input(key="field-epochs").value == "many" and "got 'many'" in words(again)
    assert again.toggle(key="field-flip").value is False
    assert again.selectbox(key="field-optimizer").value == "adamw"
    assert again.query_params == address


def test_a_clone_that_was_changed_survives_a_reload_too(open_page: Opener, write: Writer) -> None:
    run = write("finished", epochs=3, seed=77)
    app = open_page("train", clone=run.id)
    app.text_input(key="field-seed").set_value("78").run()
    assert app.query_params == {"clone": run.id, "seed": "78"}
    again = open_page("train", clone=run.id, seed="78")
    assert again.text_input(key="field-seed").value == "78" and again.text_input(key="field-epochs").value == "3"


def test_an_address_that_the_form_has_replaced_undoes_nothing(open_page: Opener) -> None:
    app = open_page("train")
    app.text_input(key="field-epochs").set_value("9").run()
    late = dict(app.query_params)
    app.text_input(key="field-seed").set_value("7").run()
    for name in list(app.query_params):
        del app.query_params[name]
    for name, text in late.items():  # as a browser sends it that has not seen the answer yet
        app.query_params[name] = text
    app.text_input(key="field-epochs").set_value("8").run()
    assert (app.text_input(key="field-epochs").value, app.text_input(key="field-seed").value) == ("8", "7")


def test_a_link_to_settings_that_do_not_exist_says_so_and_keeps_the_others(open_page: Opener) -> None:
    app = open_page("train", preset="best", optimizer="nope", seed="5", flip="maybe", name="x" * 200)
    assert "Optimizer must be " in words(app) and "Horizontal flip must be " in words(app)
    assert app.text_input(key="run-name").value == "x" * 80
    assert app.selectbox(key="field-optimizer").value == "muon" and app.text_input(key="field-seed").value == "5"


def test_somebody_without_a_run_of_their_own_is_offered_the_quick_one(open_page: Opener, write: Writer) -> None:
    shipped = write("finished", epochs=1)
    shipped.paths.folder.rename(shipped.paths.root / "reference-of-a-test")
    write("finished", author="Ada", epochs=1)
    assert open_page("train").radio(key="preset").value == "quick"
    write("finished", epochs=1)  # by somebody who has not said their name, as this visitor
    assert open_page("train").radio(key="preset").value == "original"


def test_published_scores_are_named_for_fer2013_alone(open_page: Opener) -> None:
    app = open_page("train", preset="original")
    assert "50 epochs." in words(app) and "65.95%" not in words(app)


def test_a_run_without_a_name_gets_the_one_that_was_suggested(
    open_page: Opener, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ensure_runner", lambda *_: None)
    app = open_page("train")
    assert app.text_input(key="run-name").placeholder == "quick demo seed 0"
    app.text_input(key="field-seed").set_value("3").run()
    app.button(key="start").click().run()
    assert [run.name for run in list_runs(runs_root)] == ["quick demo seed 3"]
    again = open_page("train", preset="quick", seed="3")
    assert again.text_input(key="run-name").placeholder == "quick demo seed 3 (2)"


def test_the_estimate_has_the_queue_in_it(open_page: Opener, write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = words(open_page("train"))
    assert "in the queue" not in alone
    write("queued", epochs=5000)
    waiting = words(open_page("train"))
    assert "in the queue (1 run ahead) and " in waiting
    assert estimated(alone) != estimated(waiting)


def estimated(shown: str) -> str:
    return next(line for line in shown.splitlines() if line.startswith("**About "))
