"""What is done with groups of runs: who may, what the log says, and how often."""

import pytest

from core.errors import ConfigError, NotAllowedError
from core.jobs.sweep import Sweep
from core.runs.groups import MOST_RUNS, list_groups, read_group
from core.runs.reader import read_run
from core.runs.records import RunState
from core.team import actions
from core.team.limits import STARTS_PER_MINUTE, TooManyStartsError
from core.team.people import Actor, Role
from tests.core.team.conftest import ADA, BEN, CONFIG, EVE, Place, group_of_runs, run_of

SEEDS = Sweep(CONFIG, {"seed": tuple(range(9))})


def test_a_sweep_is_one_start_and_one_line_of_the_log(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STARTS_PER_MINUTE, "1")
    group = actions.start_sweep(ADA, place.runs_root, place.data_root, SEEDS, title="Nine")
    assert len(group.run_ids) == 9 and len(SEEDS.values()) <= MOST_RUNS
    [entry] = place.activity()
    assert (entry.action, entry.made, entry.detail) == ("start_sweep", "nine", "9 runs: seed on demo")
    with pytest.raises(TooManyStartsError, match=r"You have started 1 times within a minute \(max 1\)"):
        actions.start_sweep(ADA, place.runs_root, place.data_root, SEEDS)
    assert [each.name for each in list_groups(place.runs_root)] == ["nine"]
    assert [entry.outcome for entry in place.activity()] == ["refused", "allowed"]


def test_its_runs_are_those_of_who_starts_it(place: Place) -> None:
    sweep = Sweep(CONFIG, {"seed": (1, 2)})
    group = actions.start_sweep(ADA, place.runs_root, place.data_root, sweep, author="Grace Hopper")
    assert (group.record.author, group.record.started_by) == ("Ada", "ada@example.org")
    shell = Actor("root", Role.ADMIN, "command line")
    other = actions.start_sweep(shell, place.runs_root, place.data_root, sweep, author="Grace Hopper")
    meta = read_run(place.runs_root, other.run_ids[0]).meta
    assert (other.record.author, meta.author, meta.started_by) == ("Grace Hopper", "Grace Hopper", "root")


def test_who_may_not_stop_one_of_its_runs_cannot_stop_the_group(place: Place) -> None:
    run_of(BEN, place.runs_root, "of-ben")
    group_of_runs(place, "of-ada", "of-ben")
    for actor in (ADA, BEN):
        with pytest.raises(NotAllowedError, match="“Stop group” needs the role admin for a run that somebody else"):
            actions.stop_group(actor, place.runs_root, "some")
    assert read_run(place.runs_root, "of-ada").state is RunState.QUEUED
    changed = actions.stop_group(EVE, place.runs_root, "some")
    assert set(changed.runs) == {"of-ada", "of-ben"} and changed.group.record.stopped_by == "Eve"
    assert place.activity()[0].on == "some"


def test_a_group_whose_runs_are_all_gone_stops_without_a_word(place: Place) -> None:
    group_of_runs(place, "gone")
    assert actions.stop_group(ADA, place.runs_root, "some").runs == ()


def test_a_sweep_that_makes_no_sense_is_refused_and_counts_for_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STARTS_PER_MINUTE, "1")
    with pytest.raises(ConfigError, match="two values or more"):
        actions.start_sweep(ADA, place.runs_root, place.data_root, Sweep(CONFIG, {}))
    actions.start_sweep(ADA, place.runs_root, place.data_root, Sweep(CONFIG, {"seed": (1, 2)}))


def test_deleting_a_group_leaves_its_runs(place: Place) -> None:
    group_of_runs(place, "of-ada")
    actions.delete_group(EVE, place.runs_root, "some")
    assert list_groups(place.runs_root) == [] and read_run(place.runs_root, "of-ada").state is RunState.QUEUED


def test_folds_and_reproductions_say_which_group_was_made(place: Place) -> None:
    folds = actions.queue_folds(ADA, place.runs_root, place.data_root, CONFIG, 2)
    assert read_group(place.runs_root, folds.name).kind == "folds"
    assert (place.activity()[0].action, place.activity()[0].made) == ("start_folds", folds.name)
