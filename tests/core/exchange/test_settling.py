"""What an import changes in a run: whose it is, and what counts of what people elsewhere have said about it."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from core.config import TrainConfig
from core.errors import RunError
from core.exchange import settling
from core.exchange.bundle import write_zip
from core.exchange.settling import settle
from core.review.images import add_label_reviews, current_label_reviews, own_review, read_label_reviews
from core.runs.create import create_run, write_status
from core.runs.paths import RunPaths
from core.runs.reader import read_meta, read_run, read_status
from core.team import actions
from core.team.people import Actor, Role
from core.team.rights import Action, may, owns

ADA = Actor("Ada", Role.ADMIN, "page", "ada@example.org")
EVE = Actor("Eve", Role.MEMBER, "page", "eve@example.org")
BY_NAME = "Its label reviews count by the names of their reviewers, not by their logins."


@pytest.fixture
def paths(runs_root: Path) -> RunPaths:
    """A stopped run of Eve's."""
    paths = create_run(runs_root, TrainConfig(), run_id="a-run", author="Eve", started_by=EVE.identity)
    write_status(paths, read_status(paths).model_copy(update={"state": "stopped"}))
    return paths


def reviews_of(paths: RunPaths, image: str = "fear/1") -> dict[str, Any]:
    return current_label_reviews(read_label_reviews(paths), "train").get(image, {})


def test_an_imported_run_is_of_who_has_imported_it(
    paths: RunPaths, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who changes the name in their own run is still not the one to approve it."""
    monkeypatch.setenv("FER_APPROVE_OWN_RUNS", "0")
    bundle = io.BytesIO()
    write_zip(paths, bundle)
    made = actions.import_run(ADA, runs_root, bundle, rename=True)
    run = read_run(runs_root, made.run_id)
    assert (run.meta.started_by, run.meta.author) == ("ada@example.org", "Eve")
    assert owns(ADA, run) and not owns(EVE, run)
    assert may(ADA, Action.APPROVE, read_run(runs_root, "a-run")) and not may(ADA, Action.APPROVE, run)


@pytest.mark.parametrize("keep_review", [False, True])
def test_it_is_theirs_without_any_meta_and_with_its_review(paths: RunPaths, keep_review: bool) -> None:
    paths.meta.unlink()
    settle(paths, "Ada", "ada@example.org", keep_review=keep_review)
    assert read_meta(paths).started_by == "ada@example.org"


@pytest.mark.parametrize(
    ("by", "by_id", "reviewer"),
    [
        ("Ada", "ada@example.org", "Ada"),
        ("ada@example.org", "", "ada at example.org"),
        ("Ada", "", "Ada"),
    ],
    ids=["a login", "a name that looks like a login", "a name"],
)
def test_a_label_review_from_elsewhere_is_of_no_login_here(by: str, by_id: str, reviewer: str, paths: RunPaths) -> None:
    add_label_reviews(paths, by, "train", ["fear/1"], "ambiguous", by_id=by_id)
    before = paths.reviews.read_bytes()
    paths.reviews.write_bytes(before + b'{"by_id": "ada@example.org", "by": "A')
    notes = settle(paths, "Eve", "eve@example.org", keep_review=False)
    assert [*reviews_of(paths)] == [reviewer]
    assert notes == ([BY_NAME] if reviewer != by or by_id else [])
    assert b"by_id" not in paths.reviews.read_bytes().splitlines()[0]
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "not a face", by_id="ada@example.org")
    found = own_review(reviews_of(paths), "Ada", "ada@example.org")
    assert found and found.decision == "not a face"


def test_reviews_of_no_login_and_those_that_are_trusted_stay_byte_by_byte(paths: RunPaths) -> None:
    add_label_reviews(paths, "Ben", "train", ["fear/1"], "ambiguous")
    before = paths.reviews.read_bytes()
    assert settle(paths, "Eve", "Eve", keep_review=False) == []
    assert paths.reviews.read_bytes() == before
    add_label_reviews(paths, "Ada", "train", ["fear/1"], "ambiguous", by_id="ada@example.org")
    before = paths.reviews.read_bytes()
    assert settle(paths, "Eve", "Eve", keep_review=True) == []
    assert paths.reviews.read_bytes() == before


def test_a_review_that_cannot_be_changed_is_refused(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(line: bytes) -> bytes:
        raise RecursionError

    paths.reviews.write_text(json.dumps({"by": "Ada"}) + "\n")
    monkeypatch.setattr(settling, "_unsigned", too_deep)
    with pytest.raises(RunError, match=r"reviews\.jsonl is nested too deeply"):
        settle(paths, "Eve", "Eve", keep_review=False)
