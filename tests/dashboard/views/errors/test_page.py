"""The error analysis as a whole: its matrix and tabs, addresses of older versions, and what another run fixed."""

from pathlib import Path

import pytest

from tests.dashboard.conftest import Opener, Writer, words
from tests.dashboard.views.errors.conftest import part, table_of
from tests.dashboard_fixtures import FakeRun


@pytest.mark.parametrize("split", ["validation", "test"])
def test_matrix_and_gallery_are_those_of_the_predictions(open_page: Opener, run: FakeRun, split: str) -> None:
    from sklearn.metrics import confusion_matrix

    app = open_page("errors", run=run.id, split=split)
    assert f"{split.capitalize()} accuracy" in words(app) and "No train duplicates" in words(app)
    table = table_of(run, split)
    expected = confusion_matrix(table["label"], table["predicted"], labels=range(7))
    assert [[int(cell["text"]) for cell in row] for row in part(app, "matrix")["cells"]] == expected.tolist()
    wrong = table[~table["correct"]].sort_values("loss", ascending=False, kind="stable")
    assert [tile["id"] for tile in part(app, "wall")["tiles"]] == wrong["image_id"].tolist()[:60]


@pytest.mark.parametrize(
    ("older", "present"),
    [
        ({"tab": "Verdicts and lists"}, {"errors-tab": "Label corrections"}),
        ({"tab": "Calibration"}, {"errors-tab": "Calibration"}),
        ({"show": "all", "order": "least confident"}, {"show": "All", "order": "Least confident"}),
        ({"show": "right", "verdict": "none yet"}, {"show": "Correct", "verdict": "Not reviewed"}),
        ({"copies": "flat", "unit": "By column"}, {"copies": "Blank", "unit": "Columns (precision)"}),
    ],
)
def test_addresses_of_older_versions_open_the_same_view(
    open_page: Opener, run: FakeRun, older: dict[str, str], present: dict[str, str]
) -> None:
    apps = [open_page("errors", run=run.id, **query) for query in (older, present)]
    addresses = [{key: "".join(value) for key, value in app.query_params.items()} for app in apps]
    assert addresses[0] == addresses[1] == {"run": run.id, **present}
    shown = [
        [each.proto.json for each in app.get("bidi_component") if each.proto.component_name.startswith("fer_wall")]
        for app in apps
    ]
    assert shown[0] == shown[1]


def test_without_the_images(open_page: Opener, run: FakeRun, tmp_path: Path) -> None:
    app = open_page("errors", data_root=tmp_path / "no-data", run=run.id)
    assert "isn't on this machine" in words(app)
    assert len(part(app, "matrix")["cells"]) == 7


@pytest.mark.parametrize(
    ("tab", "says"),
    [
        ("Calibration", "Expected calibration error (ECE)"),
        ("Compare with run", "No other run"),
        ("Label corrections", "No reviews"),
    ],
)
def test_each_tab(open_page: Opener, run: FakeRun, tab: str, says: str) -> None:
    app = open_page("errors", run=run.id, **{"errors-tab": tab})
    assert says in words(app) and not app.error
    assert len(app.get("plotly_chart")) == (2 if tab == "Calibration" else 0)


def test_the_metrics_of_each_class_are_numbers_with_their_intervals(open_page: Opener, run: FakeRun) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    app, table = open_page("errors", run=run.id, **{"errors-tab": "Per-class metrics"}), table_of(run)
    expected = precision_recall_fscore_support(table["label"], table["predicted"], labels=range(7), zero_division=0)
    shown = app.dataframe[0].value
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        assert shown[name].tolist() == pytest.approx((100 * values).tolist()), "so that they are sorted as numbers"
        for value, interval in zip(shown[name], shown[f"{name}_interval"], strict=True):
            low, high = map(float, interval.removesuffix("%").split("–"))
            assert low <= round(value) <= high
    assert shown["support"].tolist() == expected[3].tolist()


def test_what_another_run_fixed_and_broke(open_page: Opener, write: Writer) -> None:
    before, after = write("finished", name="first", epochs=1), write("finished", name="second", epochs=1, seed=3)
    one, two = table_of(before), table_of(after)
    fixed = int((~one["correct"] & two["correct"]).sum())
    broken = int((one["correct"] & ~two["correct"]).sum())
    assert fixed and broken
    app = open_page("errors", run=after.id, **{"errors-tab": "Compare with run"})
    assert f"{fixed} fixed" in words(app) and f"{broken} regressed" in words(app)
    assert len(part(app, "wall")["tiles"]) == min(30, fixed)
    app = open_page("compare", runs=f"{before.id},{after.id}", baseline=before.id, section="Images")
    assert "Changes vs baseline" in words(app) and f"{fixed} fixed" in words(app)
