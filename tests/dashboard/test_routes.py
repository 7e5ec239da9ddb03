"""The pages, what a browser tab is called, and where old links lead."""

from types import SimpleNamespace

import pytest

from core.review.runs import annotate
from core.runs.fields import RUN_FIELDS
from dashboard.routes import OLD_NAMES, OLD_VALUES, page_tab_title, pages, present_query
from dashboard.views.run.tabs import RUN_TABS
from dashboard.views.runs.filters import COLUMNS
from tests.dashboard.conftest import Opener, Writer, words


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """The pages as they are declared: outside a script run, Streamlit makes none."""
    monkeypatch.setattr(
        "dashboard.routes.st.Page", lambda script, visibility="visible", **of: SimpleNamespace(visible=visibility, **of)
    )
    return pages()  # type: ignore[return-value]


def test_a_run_has_no_entry_of_its_own_in_the_navigation(declared: list[SimpleNamespace]) -> None:
    shown = [page.title for page in declared if page.visible == "visible"]
    assert shown == ["Overview", "Data", "Train", "Runs", "Compare", "Error analysis", "Predict"]
    assert [page.url_path for page in declared if page.visible == "hidden"] == ["overview", "run", "group", "activity"]


def test_a_browser_tab_names_its_page(declared: list[SimpleNamespace]) -> None:
    titles = [page_tab_title(page) for page in declared if page.url_path != "overview"]  # type: ignore[arg-type]
    assert len(set(titles)) == len(titles) and "Runs – FER" in titles


def test_old_values_become_present_ones_and_nothing_else_changes() -> None:
    query = {"run": ["a"], "tab": ["Settings"]}
    assert present_query("run", query) == {"run": ["a"], "tab": ["Config"]}
    assert present_query("data", query) == query
    assert present_query("runs", {"columns": ["Name", "Curve"]}) == {"columns": ["Name", "Val. accuracy (sparkline)"]}


def test_old_names_become_present_ones_and_a_present_one_counts() -> None:
    query = {"run": ["a"], "tab": ["Calibration"], "split": ["test"]}
    assert present_query("errors", query) == {"run": ["a"], "errors-tab": ["Calibration"], "split": ["test"]}
    assert present_query("compare", query) == {"run": ["a"], "tab": ["Calibration"], "compare-split": ["test"]}
    assert present_query("run", {"change": ["Regressed (1,234)"]}) == {"change": ["Regressed"]}
    assert present_query("errors", {"change": ["Both wrong (3)"]}) == {"errors-change": ["Both wrong"]}
    query = {"split": ["test"], "run-split": ["validation"]}
    assert present_query("run", query) == {"run-split": ["validation"]}
    for names in OLD_NAMES.values():  # else an old link would be followed for ever
        assert not set(names) & set(names.values())


def test_every_old_value_leads_to_one_that_is_there() -> None:
    assert set(OLD_VALUES["run"]["tab"].values()) <= set(RUN_TABS)
    assert set(OLD_VALUES["runs"]["columns"].values()) <= set(COLUMNS.values())
    assert {value.removeprefix("-") for value in OLD_VALUES["runs"]["sort"].values()} <= set(RUN_FIELDS)
    for parameters in OLD_VALUES.values():  # else an old link would be followed for ever
        for values in parameters.values():
            assert not set(values) & set(values.values())


def test_a_link_to_a_tab_by_its_old_name_opens_it(open_page: Opener, write: Writer) -> None:
    run = write("finished", epochs=2)
    app = open_page("run", run=run.id, tab="Samples")
    assert app.query_params == {"run": run.id, "tab": "Predictions"}
    assert "32 validation images" in words(app)


def test_a_link_to_filters_by_their_old_names_shows_the_same_runs(open_page: Opener, write: Writer) -> None:
    good, _, other = (write(state, name=state, done=1, epochs=3) for state in ("finished", "failed", "finished"))
    annotate(good.paths, "Ada", {"review": "approved", "name": "good"})
    annotate(other.paths, "Ada", {"review": "rejected", "name": "other"})
    app = open_page("runs", state="finished", review="approved", sort="Best on validation", columns="Name")
    assert app.dataframe[0].value["name"].tolist() == ["good"]
    assert app.query_params["sort"] == "-validation"


@pytest.mark.parametrize(
    ("page", "query", "present"),
    [("runs", {"sort": "Newest first"}, {"sort": "-created"}), ("errors", {"order": "most confident"}, {})],
)
def test_an_old_link_may_name_a_page_of_a_list(
    open_page: Opener, write: Writer, page: str, query: dict[str, str], present: dict[str, str]
) -> None:
    """`page` is a parameter of the address, and the name of what an address leads to."""
    write("finished", epochs=1)
    app = open_page(page, **query, page="1")
    assert not app.error and app.query_params.items() >= present.items()
