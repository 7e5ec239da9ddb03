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
