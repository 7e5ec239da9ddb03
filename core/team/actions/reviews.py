"""What people say about runs and images: names, notes, tags, reviews, label reviews, correction sets."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.review import corrections, images, runs
from core.review.corrections import Corrections
from core.review.images import DECISION_LABELS, LabelReview
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from core.runs.records import RunMeta
from core.team.door import door
from core.team.people import Actor
from core.team.rights import Action

_REVIEWS = {
    "in review": Action.START_REVIEW,
    "approved": Action.APPROVE,
    "rejected": Action.REJECT,
    "unreviewed": Action.WITHDRAW_REVIEW,
}


def annotate(
    actor: Actor,
    runs_root: Path,
    run_id: str,
    changes: Mapping[str, Any] | None = None,
    *,
    by: str = "",
    seen: Mapping[str, Any] | None = None,
    tag: Iterable[str] = (),
    untag: Iterable[str] = (),
    comment: str = "",
) -> RunMeta:
    """Change what people have added to a run: name, notes, tags, star, archive, review, comments. As
    `core.review.runs.annotate`; what it takes depends on what is changed (`annotation`).

    Args:
        actor: who does it.
        runs_root: the folder of all runs.
        run_id: the run.
        changes: new values by field.
        by: on the command line, in whose name; empty: the actor's.
        seen: what the fields were when the actor read them.
        tag: tags to add.
        untag: tags to remove.
        comment: for the history only.
    """
    run, changes, tag, untag = read_run(runs_root, run_id), dict(changes or {}), list(tag), list(untag)
    said = [*changes, *(f"+{word}" for word in tag), *(f"-{word}" for word in untag), *(["comment"] if comment else [])]
    action = annotation(changes, run.meta)
    if "review" in changes:  # what it takes depends on the present review: another one meanwhile is a conflict
        seen = {"review": run.meta.review, **(seen or {})}
    with door(action, actor, runs_root, run=run, detail=_signed(actor, by, ", ".join(map(str, said)))):
        name = _name(actor, by)
        return runs.annotate(run.paths, name, changes, seen=seen, tag=tag, untag=untag, comment=comment)


def annotation(changes: Mapping[str, Any], meta: RunMeta) -> Action:
    """What a change of these fields is: of several, what takes the most. Whatever ends an approval or a rejection
    resets the review."""
    if "review" in changes:
        wanted = changes["review"]
        if wanted == "in review" and meta.review in runs.DECIDED:
            return Action.WITHDRAW_REVIEW
        return _REVIEWS.get(wanted, Action.ANNOTATE)  # another value is refused by what it is passed to
    if "archived" in changes:
        return Action.ARCHIVE if changes["archived"] else Action.UNARCHIVE
    return Action.ANNOTATE


def add_label_reviews(
    actor: Actor,
    paths: RunPaths,
    split: str,
    image_ids: Sequence[str],
    decision: str | None,
    *,
    by: str = "",
    label: str | None = None,
    comment: str = "",
    present: Mapping[str, str] | None = None,
) -> list[LabelReview]:
    """Review the labels of images, or with `decision=None` remove the actor's reviews of them. As
    `core.review.images.add_label_reviews`.

    Args:
        actor: who does it.
        paths: the run whose errors were looked at.
        split: `train`, `validation` or `test`.
        image_ids: at least one.
        decision: one of `DECISIONS`, or None.
        by: on the command line, in whose name; empty: the actor's.
        label: the correct label.
        comment: why.
        present: image to the class it is labelled with now.
    """
    action = Action.REMOVE_LABEL_REVIEWS if decision is None else Action.REVIEW_LABELS
    count = f"{len(image_ids):,} {split} image{'' if len(image_ids) == 1 else 's'}"
    words = f"{DECISION_LABELS.get(decision or '', '')}{f': {label}' if label else ''}"
    detail = _signed(actor, by, ", ".join(filter(None, [words, count])))
    with door(action, actor, paths.root, run=read_run(paths.root, paths.run_id), detail=detail):
        name = _name(actor, by)
        by_id = actor.email if name == actor.name else ""
        return images.add_label_reviews(
            paths, name, split, image_ids, decision, label=label, comment=comment, present=present, by_id=by_id
        )


def save_corrections(actor: Actor, runs_root: Path, made: Corrections) -> None:
    """Write a correction set, once. As `core.review.corrections.save_corrections`."""
    with door(Action.CREATE_CORRECTIONS, actor, runs_root, made.name, detail=made.in_words()):
        corrections.save_corrections(runs_root, made)


def _name(actor: Actor, by: str) -> str:
    """Only the command line, where everybody is an admin, may speak in somebody else's name."""
    return by if by and actor.way == "command line" else actor.name


def _signed(actor: Actor, by: str, detail: str) -> str:
    name = _name(actor, by)
    return detail if name == actor.name else f"{detail}; as {name}"
