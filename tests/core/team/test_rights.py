"""Who may do what: each action by each kind of person, on real folders."""

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import read_identity
from core.data.importers import demo
from core.data.kaggle.credentials import Credentials, keep
from core.data.kaggle.download import DownloadPaths
from core.errors import ConfigError, DataError, NotAllowedError, RunError
from core.exchange.bundle import write_zip
from core.jobs.sweep import Sweep
from core.labels import LABELS
from core.review.corrections import Correction, Corrections
from core.review.images import add_label_reviews
from core.review.runs import EditConflictError, annotate
from core.runs.create import create_run, write_status
from core.runs.paths import EnsemblePaths
from core.runs.reader import read_run, read_status
from core.team import actions
from core.team.actions import reviews
from core.team.people import Actor, Role
from core.team.rights import APPROVE_OWN, Action, action_title, may, owns, why_not
from core.team.tokens import add_token, new_token, read_tokens
from tests.core.team.conftest import ADA, ANYBODY, BEN, CONFIG, EVE, ZOE, Place, group_of_runs, run_of

VIEWERS: Final = {Action.CREATE_API_TOKEN, Action.REVOKE_API_TOKEN, Action.SET_NOTIFICATIONS}
"""What viewers may do: it concerns nobody else."""
MEMBERS: Final = {
    *(Action.START, Action.IMPORT_RUN, Action.CLONE, Action.RETRY, Action.REPRODUCE, Action.START_FOLDS, Action.SCORE),
    *(Action.ANNOTATE, Action.START_REVIEW, Action.REVIEW_LABELS, Action.REMOVE_LABEL_REVIEWS),
    *(Action.CREATE_CORRECTIONS, Action.CREATE_ENSEMBLE, Action.START_SWEEP),
}
"""What members may do, whosever run it is about."""
OWNERS: Final = {
    *(Action.STOP, Action.FORCE_STOP, Action.RESUME, Action.ARCHIVE, Action.UNARCHIVE),
    *(Action.STOP_GROUP, Action.RESUME_GROUP),
}
"""What members may do with runs of their own. All the rest is for admins."""

PEOPLE: Final = {"viewer": ZOE, "owner": ADA, "member": BEN, "admin": EVE, "no-login": ANYBODY}

TOKEN: Final = Credentials("KGAT_0123456789abcdef0123")


def state_of(place: Place, state: str) -> None:
    """The run is in another state than queued; one that is `running` has no process."""
    change = {"state": state, "host": os.uname().nodename}
    write_status(place.run, read_status(place.run).model_copy(update=change))


def annotating(**changes: Any) -> Callable[[Actor, Place], object]:
    return lambda actor, place: actions.annotate(actor, place.runs_root, place.run.run_id, changes)


def labelling(decision: str | None) -> Callable[[Actor, Place], object]:
    return lambda actor, place: actions.add_label_reviews(actor, place.run, "train", ["row-0"], decision)


def on_run(act: Callable[..., object], *more: Any) -> Callable[[Actor, Place], object]:
    return lambda actor, place: act(actor, place.runs_root, place.run.run_id, *more)


def on_both(act: Callable[..., object], *more: Any) -> Callable[[Actor, Place], object]:
    return lambda actor, place: act(actor, place.runs_root, place.data_root, *more)


def on_data(act: Callable[..., object], *more: Any, **others: Any) -> Callable[[Actor, Place], object]:
    return lambda actor, place: act(actor, place.data_root, *more, **others)


def corrections(place: Place) -> Corrections:
    entry = Correction(split="train", image="row-0", action="exclude")
    data = read_identity(place.data_root, "demo")
    values = {"name": "first", "dataset": "demo", "data_fingerprint": data.content, "created_at": datetime.now(UTC)}
    return Corrections.model_validate({**values, "entries": (entry,)})


def pictures(place: Place) -> Path:
    """A folder of faces, one per class."""
    for index, label in enumerate(LABELS):
        folder = place.home / "faces" / label
        folder.mkdir(parents=True, exist_ok=True)
        for each in range(10):
            pixels = np.full((48, 48), 20 * index + each, dtype=np.uint8)
            pixels[each, index] = 255
            Image.fromarray(pixels).save(folder / f"{each}.png")
    return place.home / "faces"


def scored(place: Place) -> None:
    place.run.predictions("train").write_bytes(b"scored")


def revoking(actor: Actor, place: Place) -> object:
    return actions.revoke_api_token(actor, place.runs_root, read_tokens(place.runs_root)[0].id)


def importing(*, keep_review: bool) -> Callable[[Actor, Place], object]:
    """Import the run that is there once more, from a bundle in memory."""

    def act(actor: Actor, place: Place) -> object:
        file = io.BytesIO()
        write_zip(place.run, file)
        return actions.import_run(actor, place.runs_root, file, rename=True, keep_review=keep_review)

    return act


ACTS: Final[dict[Action, Callable[[Actor, Place], object]]] = {
    Action.START: on_both(actions.start, CONFIG),
    Action.CLONE: on_both(actions.clone, "of-ada", CONFIG),
    Action.RETRY: on_both(actions.retry, "of-ada"),
    Action.REPRODUCE: on_both(actions.reproduce, "of-ada"),
    Action.START_FOLDS: on_both(actions.queue_folds, CONFIG, 2),
    Action.START_SWEEP: on_both(actions.start_sweep, Sweep(CONFIG, {"seed": (1, 2)})),
    Action.STOP_GROUP: lambda actor, place: actions.stop_group(actor, place.runs_root, "some"),
    Action.RESUME_GROUP: lambda actor, place: actions.resume_group(actor, place.runs_root, place.data_root, "some"),
    Action.DELETE_GROUP: lambda actor, place: actions.delete_group(actor, place.runs_root, "some"),
    Action.IMPORT_RUN: importing(keep_review=False),
    Action.IMPORT_REVIEWED_RUN: importing(keep_review=True),
    Action.STOP: on_run(actions.stop),
    Action.FORCE_STOP: on_run(actions.stop_now),
    Action.RESUME: on_both(actions.resume, "of-ada"),
    Action.RECOVER: on_both(actions.recover),
    Action.MOVE: on_run(actions.move_queued, "last"),
    Action.DELETE: on_run(actions.delete_run),
    Action.ARCHIVE: annotating(archived=True),
    Action.UNARCHIVE: annotating(archived=False),
    Action.SCORE: lambda actor, place: actions.score(actor, place.runs_root, "of-ada", "train", partial(scored, place)),
    Action.CREATE_ENSEMBLE: lambda actor, place: actions.create_ensemble(
        actor, place.runs_root, "both", ["of-ada", "of-ada"]
    ),
    Action.DELETE_ENSEMBLE: lambda actor, place: actions.delete_ensemble(actor, place.runs_root, "both"),
    Action.ANNOTATE: annotating(name="Renamed", starred=True),
    Action.START_REVIEW: annotating(review="in review"),
    Action.APPROVE: annotating(review="approved"),
    Action.REJECT: annotating(review="rejected"),
    Action.WITHDRAW_REVIEW: annotating(review="unreviewed"),
    Action.REVIEW_LABELS: labelling("ambiguous"),
    Action.REMOVE_LABEL_REVIEWS: labelling(None),
    Action.CREATE_CORRECTIONS: lambda actor, place: actions.save_corrections(
        actor, place.runs_root, corrections(place)
    ),
    Action.IMPORT: lambda actor, place: actions.import_data(actor, place.data_root, place.home / "faces", name="mine"),
    Action.GENERATE_DEMO: on_data(actions.import_demo, seed=1),
    Action.DELETE_DATASET: on_data(actions.delete_dataset, "demo"),
    Action.DOWNLOAD: on_data(actions.start_download),
    Action.CANCEL_DOWNLOAD: on_data(actions.cancel_download),
    Action.CLEAR_DOWNLOAD: on_data(actions.clear_download),
    Action.SAVE_TOKEN: on_data(actions.save_token, TOKEN),
    Action.REMOVE_TOKEN: on_data(actions.remove_token),
    Action.SET_NOTIFICATIONS: lambda actor, place: actions.save_addresses(
        actor, place.runs_root, webhook="https://hooks.example.org/s3cret"
    ),
    Action.CREATE_API_TOKEN: lambda actor, place: actions.create_api_token(
        actor, place.runs_root, "notebook", Role.VIEWER
    ),
    Action.CREATE_API_TOKEN_FOR_OTHERS: lambda actor, place: actions.create_api_token(
        actor, place.runs_root, "notebook", Role.VIEWER, email="max@example.org"
    ),
    Action.REVOKE_API_TOKEN: revoking,
    Action.REVOKE_API_TOKEN_OF_OTHERS: revoking,
}
"""Each action, as somebody does it."""


def prepare(action: Action, place: Place, who: Actor) -> None:
    """Bring everything into the state in which the action of somebody changes something."""
    match action:
        case Action.REVOKE_API_TOKEN:
            add_token(place.runs_root, new_token("fer_x", "x", who.name, Role.VIEWER, email=who.email, created_by="x"))
        case Action.REVOKE_API_TOKEN_OF_OTHERS:
            add_token(place.runs_root, new_token("fer_x", "x", "Max", Role.VIEWER, created_by="x"))
        case Action.RESUME:
            state_of(place, "stopped")
        case Action.STOP_GROUP | Action.DELETE_GROUP:
            group_of_runs(place, "of-ada")
        case Action.RESUME_GROUP:
            group_of_runs(place, "of-ada")
            state_of(place, "stopped")
        case Action.RECOVER:
            state_of(place, "running")
        case Action.DELETE:
            state_of(place, "failed")
        case Action.MOVE:
            create_run(place.runs_root, CONFIG, run_id="another")
        case Action.UNARCHIVE:
            annotate(place.run, "Ada", {"archived": True})
        case Action.WITHDRAW_REVIEW:
            annotate(place.run, "Eve", {"review": "rejected"})
        case Action.REMOVE_LABEL_REVIEWS:
            add_label_reviews(place.run, "Ada", "train", ["row-0"], "ambiguous")
        case Action.DELETE_ENSEMBLE:
            EnsemblePaths(place.runs_root).folder.mkdir()
            EnsemblePaths(place.runs_root).file("both").write_text("{}")
        case Action.IMPORT:
            pictures(place)
        case Action.CANCEL_DOWNLOAD | Action.CLEAR_DOWNLOAD:
            DownloadPaths(place.data_root).folder.mkdir()
            DownloadPaths(place.data_root).zip.write_bytes(b"a part")
        case Action.REMOVE_TOKEN:
            keep(TOKEN)


UNFINISHED: Final = {
    Action.REPRODUCE: "Only finished runs can be reproduced",
    Action.CREATE_ENSEMBLE: "two or more different runs",
    Action.DOWNLOAD: "No Kaggle token",
}
"""What the act itself says here, after it was let through."""


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("action", Action, ids=lambda action: action.key)
def test_each_action_by_each_person(action: Action, person: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(demo.import_demo, train_per_class=2, validation_per_class=1, test_per_class=1)
    monkeypatch.setattr(demo, "import_demo", small)
    who, act = PEOPLE[person], ACTS[action]
    prepare(action, place, who)
    before = place.content()
    allowed = (
        who.role is Role.ADMIN
        or action in VIEWERS
        or (who.role is Role.MEMBER and (action in MEMBERS or (action in OWNERS and person == "owner")))
    )
    run = read_run(place.runs_root, "of-ada")
    assert may(who, action, run) is allowed
    if not allowed:
        with pytest.raises(NotAllowedError, match=f"“{action.title}” needs the role") as refused:
            act(who, place)
        assert str(refused.value).endswith(f"Your role is {who.role}.")
        assert place.content() == before, "something was done all the same"
        outcome = "refused"
    elif action in UNFINISHED:
        with pytest.raises((RunError, DataError), match=UNFINISHED[action]):
            act(who, place)
        outcome = "failed"
    else:
        act(who, place)
        assert place.content() != before, "nothing was done"
        outcome = "allowed"
    [entry] = place.activity()
    assert (entry.action, entry.outcome) == (action.key, outcome)
    assert (entry.who, entry.email, entry.role, entry.way) == (who.name, who.email, who.role, who.way)
    assert TOKEN.secret not in entry.model_dump_json() and "s3cret" not in entry.model_dump_json()


def test_a_login_owns_by_address_and_not_by_a_name_that_anybody_can_type(place: Place) -> None:
    run = read_run(place.runs_root, "of-ada")
    namesake = Actor("Ada", Role.MEMBER, "page", "mallory@example.org")
    assert owns(ADA, run) and not owns(namesake, run)
    run_of(ANYBODY, place.runs_root, "of-kim")
    typed = read_run(place.runs_root, "of-kim")
    assert owns(ANYBODY, typed)
    assert not owns(Actor("Kim", Role.MEMBER, "page", "kim@example.org"), typed), "it was started without a login"
    create_run(place.runs_root, CONFIG, run_id="older", author="Kim")
    older = read_run(place.runs_root, "older")
    assert owns(ANYBODY, older) and not owns(Actor("", Role.MEMBER, "page"), older)
    create_run(place.runs_root, CONFIG, run_id="of-nobody")
    assert not owns(Actor("", Role.MEMBER, "page"), read_run(place.runs_root, "of-nobody"))


def test_a_run_belongs_to_who_starts_it_whatever_is_said(place: Place) -> None:
    run_id = actions.start(ADA, place.runs_root, place.data_root, CONFIG, author="Grace Hopper")
    meta = read_run(place.runs_root, run_id).meta
    assert (meta.author, meta.started_by) == ("Ada", "ada@example.org")
    shell = Actor("root", Role.ADMIN, "command line")
    run_id = actions.start(shell, place.runs_root, place.data_root, CONFIG, author="Grace Hopper")
    meta = read_run(place.runs_root, run_id).meta
    assert (meta.author, meta.started_by) == ("Grace Hopper", "root")
    again = actions.retry(BEN, place.runs_root, place.data_root, run_id)
    meta = read_run(place.runs_root, again).meta
    assert (meta.author, meta.started_by) == ("Ben", "ben@example.org")
    assert place.activity()[0].made == again and place.activity()[0].on == run_id


def test_only_the_command_line_speaks_in_the_name_of_somebody_else(place: Place) -> None:
    actions.annotate(EVE, place.runs_root, "of-ada", {"review": "approved"}, by="Grace Hopper")
    assert read_run(place.runs_root, "of-ada").meta.reviewer == "Eve"
    shell = Actor("root", Role.ADMIN, "command line")
    actions.annotate(shell, place.runs_root, "of-ada", {"review": "rejected"}, by="Grace Hopper")
    assert read_run(place.runs_root, "of-ada").meta.reviewer == "Grace Hopper"
    [last, first] = place.activity()
    assert (last.who, last.detail, first.who, first.detail) == ("root", "review; as Grace Hopper", "Eve", "review")


def test_approving_ones_own_run_is_a_setting(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run_of(EVE, place.runs_root, "of-eve")
    own, other = read_run(place.runs_root, "of-eve"), read_run(place.runs_root, "of-ada")
    assert may(EVE, Action.APPROVE, own), "as long as nobody says otherwise"
    monkeypatch.setenv(APPROVE_OWN, "0")
    assert not may(EVE, Action.APPROVE, own) and may(EVE, Action.APPROVE, other) and may(EVE, Action.REJECT, own)
    with pytest.raises(NotAllowedError, match="somebody else has to approve it"):
        actions.annotate(EVE, place.runs_root, "of-eve", {"review": "approved"})
    assert read_run(place.runs_root, "of-eve").meta.review == "unreviewed"
    typed = Actor("Eve", Role.ADMIN, "page")
    assert not may(typed, Action.APPROVE, own), "under the name that the run shows"
    monkeypatch.setenv(APPROVE_OWN, "yes")
    with pytest.raises(ConfigError, match=f"{APPROVE_OWN} must be 0 or 1"):
        why_not(EVE, Action.APPROVE, own)


@pytest.mark.parametrize("decided", ["approved", "rejected"])
def test_whatever_ends_a_decision_takes_who_may_decide(decided: str, place: Place) -> None:
    annotate(place.run, "Eve", {"review": decided})
    for state in ("in review", "unreviewed"):
        with pytest.raises(NotAllowedError, match="“Reset review” needs the role admin"):
            actions.annotate(BEN, place.runs_root, "of-ada", {"name": "mine", "review": state})
    assert read_run(place.runs_root, "of-ada").meta.model_dump(include={"review", "name"}) == {
        "review": decided,
        "name": "",
    }


def test_a_decision_that_comes_in_between_is_not_undone_by_a_member(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_run(place.runs_root, "of-ada")
    annotate(place.run, "Eve", {"review": "approved"})
    monkeypatch.setattr(reviews, "read_run", lambda *_: before)  # as it was when it was asked what it takes
    with pytest.raises(EditConflictError, match="Eve changed the review in the meantime"):
        actions.annotate(BEN, place.runs_root, "of-ada", {"review": "in review"})
    assert read_run(place.runs_root, "of-ada").meta.review == "approved"
    assert place.activity()[0].outcome == "failed"


def test_asking_what_somebody_may_reads_no_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run = read_run(place.runs_root, "of-ada")
    opened: list[object] = []
    for name in ("open", "stat", "scandir"):
        monkeypatch.setattr(os, name, lambda *args, **options: opened.append(args))
    asked = [may(who, action, run) for who in PEOPLE.values() for action in Action]
    monkeypatch.undo()
    assert any(asked) and not all(asked) and not opened


def test_an_action_of_a_newer_version_is_shown_by_its_key() -> None:
    assert action_title("stop") == "Stop run"
    assert action_title("launch_rocket") == "launch_rocket"
