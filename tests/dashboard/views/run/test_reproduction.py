"""What a reproduction came to."""

from datetime import UTC, datetime

from core.comparison.origins import Check
from core.comparison.reproduction import Reproduction, ReproductionOutcome
from core.files import write_json
from core.runs.create import write_meta
from core.runs.records import RunMeta
from tests.dashboard.conftest import Opener, words
from tests.dashboard_fixtures import FakeRun


def test_a_reproduction_names_what_differed(open_page: Opener, run: FakeRun) -> None:
    checks = [
        Check(what="packages", same=False, words="torch 2.14.1 → 9.9"),
        Check(what="code", same=None, words="not recorded"),
        Check(what="data", same=True, words="abc"),
    ]
    found = Reproduction(
        time=datetime.now(UTC),
        reproduces="first",
        outcome=ReproductionOutcome.WITHIN_SEEDS,
        words="Near [enough](x).",
        checks=checks,
    )
    write_json(run.paths.reproduction, found.model_dump(mode="json"))
    write_meta(run.paths, lambda meta: RunMeta(**{**meta.model_dump(), "reproduces": "first", "parent": "first"}))
    app = open_page("run", run=run.id)
    text = words(app)
    assert "Within seed variance" in text and "Near [enough](x)." in text
    assert "packages: torch 2.14.1 → 9.9" in text and "Missing in one of the runs: code." in text
    assert "Reproduction of first (deleted)." in text
    run.paths.reproduction.write_text("{")
    assert "The comparison failed. See the log." in words(open_page("run", run=run.id))


def test_what_a_reproduction_says_draws_no_image_and_no_link(open_page: Opener, run: FakeRun) -> None:
    """Its file may be from elsewhere."""
    hostile = "![x](http://127.0.0.1:1/pixel) [click](http://127.0.0.1:1/link)"
    checks = [Check(what=hostile, same=same, words=hostile) for same in (False, None)]
    time, outcome = datetime.now(UTC), ReproductionOutcome.DIFFERENT
    found = Reproduction(time=time, reproduces="first", outcome=outcome, words=hostile, checks=checks)
    write_json(run.paths.reproduction, found.model_dump(mode="json"))
    write_meta(run.paths, lambda meta: meta.model_copy(update={"reproduces": "first"}))
    app = open_page("run", run=run.id)
    drawn = [element.value for kind in ("markdown", "caption") for element in app.get(kind)]
    assert sum("pixel" in text for text in drawn) == 3
    assert not [text for text in drawn if "pixel" in text and ("](" in text or "http://" in text)]
