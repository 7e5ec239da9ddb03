"""Ensembles: what a file says, what it is refused for, and what becomes of it when a member goes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import RunError
from core.files import read_json, write_json
from core.runs.delete import delete_run, what_is_lost
from core.runs.ensembles import (
    Ensemble,
    check_together,
    create_ensemble,
    delete_ensemble,
    find_candidate,
    list_ensembles,
    members,
    read_ensemble,
)
from core.runs.paths import EnsemblePaths
from core.runs.reader import list_runs, read_run
from core.runs.records import Run
from tests.dashboard_fixtures import write_run
from tests.members import write_members


@pytest.fixture
def two(runs_root: Path, demo_root: Path) -> list[Run]:
    return write_members(runs_root, demo_root)


def change(run: Run, file: str, **values: object) -> None:
    path = run.paths.folder / file
    write_json(path, read_json(path) | values)


def test_one_name_stands_for_its_members_and_runs_stay_what_they_are(runs_root: Path, two: list[Run]) -> None:
    ids = [run.id for run in two]
    made = create_ensemble(runs_root, "both", ids, author="Ana")
    content = json.loads(EnsemblePaths(runs_root).file("both").read_text())
    assert content == {"members": ids, "author": "Ana", "created_at": content["created_at"]}
    [listed] = list_ensembles(runs_root)
    assert [run.id for run in listed.runs] == ids and listed.problem is None and listed.author == "Ana" == made.author
    assert [run.id for run in members(runs_root, "both")] == ids
    assert [run.id for run in members(runs_root, ids[1])] == ids[1:]
    assert [run.id for run in members(runs_root, ids[0][:-2])] == ids[:1], "a beginning, as for any run"
    assert isinstance(find_candidate(runs_root, "both"), Ensemble)
    assert {run.id for run in list_runs(runs_root)} == set(ids), "what lists runs does not see it"
    delete_ensemble(runs_root, "both")
    assert list_ensembles(runs_root) == [] and {run.id for run in list_runs(runs_root)} == set(ids)
    with pytest.raises(RunError, match="“both” not found"):
        delete_ensemble(runs_root, "both")


def test_a_name_is_given_once(runs_root: Path, two: list[Run]) -> None:
    ids = [run.id for run in two]
    create_ensemble(runs_root, "both", ids)
    for name, why in (("both", "already"), (ids[0], "already"), ("Both!", "Invalid name"), ("../x", "Invalid name")):
        with pytest.raises(RunError, match=why):
            create_ensemble(runs_root, name, ids)
    assert [each.name for each in list_ensembles(runs_root)] == ["both"]


BREAKS: dict[str, tuple[Callable[[Run], object], str]] = {
    "it still trains": (lambda run: change(run, "status.json", state="failed"), "is failed, and only finished"),
    "no weights": (lambda run: run.paths.weights.unlink(), "has no usable weights"),
    "no settings": (lambda run: run.paths.config.write_text("{"), "has no usable settings"),
    "never evaluated": (lambda run: change(run, "summary.json", evaluation={}), "has no metrics on validation"),
    "other images": (lambda run: change(run, "summary.json", dataset_fingerprint="f" * 64), "on another dataset than"),
    "another order": (
        lambda run: change(run, "summary.json", dataset_ordered_fingerprint="f" * 64),
        "under other names or in another order",
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_members_that_do_not_fit_are_named_in_one_sentence(runs_root: Path, two: list[Run], what: str) -> None:
    ids = [run.id for run in two]
    create_ensemble(runs_root, "before", ids)
    spoil, words = BREAKS[what]
    spoil(two[1])
    with pytest.raises(RunError, match=words) as refused:
        create_ensemble(runs_root, "after", ids)
    assert ids[1] in str(refused.value) and str(refused.value).endswith(".") and str(refused.value).count(". ") == 0
    [ensemble] = list_ensembles(runs_root)
    assert ensemble.problem and words in ensemble.problem and "“before”" in ensemble.problem
    with pytest.raises(RunError, match=words):
        members(runs_root, "before")


def test_a_member_that_is_gone_is_said_and_the_others_stay(runs_root: Path, two: list[Run]) -> None:
    ids = [run.id for run in two]
    create_ensemble(runs_root, "both", ids)
    assert "a member of the ensemble both" in what_is_lost(read_run(runs_root, ids[0]))
    delete_run(runs_root, ids[0])
    ensemble = read_ensemble(runs_root, "both")
    assert ensemble.problem == f"Can't use ensemble “both”: its member {ids[0]!r} is missing."
    assert [run.id for run in ensemble.runs] == ids[1:]


def test_it_takes_two_different_runs(runs_root: Path, two: list[Run]) -> None:
    for runs in ([], two[:1], [two[0], two[0]]):
        with pytest.raises(RunError, match="two or more different runs"):
            check_together(runs)
    with pytest.raises(RunError, match="“nope” not found"):
        create_ensemble(runs_root, "x", [two[0].id, "nope"])


CORRUPT = ["{", '{"members": ["a"], "created_at": "2026-01-01T00:00:00Z"}', '{"members": "ab"}', "[]"]


@pytest.mark.parametrize("content", CORRUPT, ids=["cut", "one member", "no list", "no table"])
def test_a_corrupt_file_is_named_and_the_others_are_there(runs_root: Path, two: list[Run], content: str) -> None:
    create_ensemble(runs_root, "good", [run.id for run in two])
    EnsemblePaths(runs_root).file("bad").write_text(content)
    bad, good = list_ensembles(runs_root)
    assert good.problem is None
    assert bad.problem and bad.problem.startswith("Can't read ensemble “bad”: ") and bad.runs == ()
    with pytest.raises(RunError, match="Can't read ensemble"):
        find_candidate(runs_root, "bad")
    delete_ensemble(runs_root, "bad")
    assert [each.name for each in list_ensembles(runs_root)] == ["good"]


def test_a_run_folder_that_got_the_same_name_goes_first(runs_root: Path, demo_root: Path, two: list[Run]) -> None:
    create_ensemble(runs_root, "both", [run.id for run in two])
    write_run(runs_root, demo_root, "finished", epochs=1).paths.folder.rename(runs_root / "both")
    assert isinstance(find_candidate(runs_root, "both"), Run)
    assert list_ensembles(runs_root) == []
