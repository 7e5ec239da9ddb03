"""The form of the Train page: what fills it, and what it refuses."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.evaluation.predictions import read_predictions
from core.review.corrections import save_corrections
from core.review.draft import make_corrections
from core.review.images import add_label_reviews
from core.runs.reader import read_run
from tests.dashboard.conftest import Opener, Writer, words


def test_a_preset_fills_the_form(open_page: Opener) -> None:
    app = open_page("train")
    assert app.number_input(key="field-epochs").value == 50
    app.radio(key="preset").set_value("quick").run()
    assert app.number_input(key="field-epochs").value == 4
    assert app.selectbox(key="field-schedule").value == "linear"


def test_a_wrong_setting_is_explained_and_cannot_be_started(open_page: Opener) -> None:
    app = open_page("train")
    app.number_input(key="field-learning_rate").set_value(0.0).run()
    assert "Learning rate must be greater than 0 (got 0)." in words(app)
    assert all(button.disabled for button in app.button if button.label == "Start training")


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
        app.number_input(key="field-epochs").set_value(5).run()
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
