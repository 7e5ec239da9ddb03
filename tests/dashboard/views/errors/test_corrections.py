"""From label reviews to a correction set, to a run."""

from pathlib import Path

from core.review.corrections import save_corrections
from core.review.draft import make_corrections
from core.review.images import add_label_reviews
from core.runs.reader import read_run
from tests.dashboard.conftest import HOSTILE, Opener, Writer, words
from tests.dashboard.views.errors.conftest import table_of


def test_reviews_become_a_correction_set_and_open_the_form(open_page: Opener, write: Writer, runs_root: Path) -> None:
    run = write("finished", name="my run", epochs=1)
    images = table_of(run)["image_id"].tolist()
    add_label_reviews(run.paths, HOSTILE[:60], "validation", images[:1], "ambiguous", comment=HOSTILE)
    add_label_reviews(run.paths, "Ben", "validation", images[:2], "not a face")
    app = open_page("errors", run=run.id, **{"errors-tab": "Label corrections"})
    assert "3 reviews on 2 images, 1 with conflicting reviews." in words(app)
    app.button(key="create-set").click().run()
    assert "Contains: 2 exclusions in validation" in words(app)
    save_corrections(runs_root, make_corrections("first-look", [read_run(runs_root, run.id)]).corrections)
    app = open_page("errors", run=run.id, **{"errors-tab": "Label corrections"})
    app.button(key="train-first-look").click().run()
    assert "New run based on **my run**" in words(app) and not app.exception
    assert app.selectbox(key="field-corrections").value == "first-look"
