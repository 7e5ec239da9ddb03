"""Filters and orders of runs, and which run predictions use."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.runs.records import Run, RunState


@dataclass(frozen=True)
class RunFilter:
    """What is searched for. An empty collection matches all runs; else one of its values must match."""

    text: str = ""
    """Parts of the name, id, author, notes or error, in any order."""
    states: Collection[str] = ()
    tags: Collection[str] = ()
    authors: Collection[str] = ()
    reviews: Collection[str] = ()
    archived: bool = False
    """Archived ones, too."""

    def fits(self, run: Run) -> bool:
        meta = run.meta
        if (meta.archived and not self.archived) or (self.states and run.state.value not in self.states):
            return False
        if self.tags and not any(tag in self.tags for tag in meta.tags):
            return False
        if (self.authors and meta.author not in self.authors) or (self.reviews and meta.review not in self.reviews):
            return False
        if not self.text:
            return True
        about = " ".join((meta.name, run.id, meta.author, meta.notes, run.problem or "")).lower()
        return all(word in about for word in self.text.lower().split())


@dataclass(frozen=True)
class RunOrder:
    """A way to sort runs."""

    title: str
    key: Callable[[Run], Any]
    """None where there is nothing to sort by: such runs come last."""
    falling: bool = False


RUN_ORDERS: Final[dict[str, RunOrder]] = {
    "newest": RunOrder("Newest first", lambda run: run.status.created_at, falling=True),
    "oldest": RunOrder("Oldest first", lambda run: run.status.created_at),
    "validation": RunOrder("Best val. accuracy", lambda run: run.validation_accuracy, falling=True),
    "test": RunOrder("Best test accuracy", lambda run: run.accuracy("test"), falling=True),
    "loss": RunOrder("Lowest val. loss", lambda run: run.best.validation_loss if run.best else None),
    "longest": RunOrder("Longest duration", lambda run: run.status.elapsed_seconds or None, falling=True),
    "name": RunOrder("Name", lambda run: run.name.lower()),
    "author": RunOrder("Author", lambda run: run.meta.author.lower() or None),
    "starred": RunOrder("Starred first", lambda run: run.meta.starred, falling=True),
}


def select_runs(runs: Sequence[Run], wanted: RunFilter, order: str = "newest") -> list[Run]:
    """Those that fit, sorted by one of `ORDERS`; equal ones stay in the order given."""
    chosen = RUN_ORDERS[order]
    fitting = [(chosen.key(run), run) for run in runs if wanted.fits(run)]
    known = sorted((each for each in fitting if each[0] is not None), key=lambda each: each[0], reverse=chosen.falling)
    return [run for _, run in known] + [run for value, run in fitting if value is None]


def best_run(runs: list[Run]) -> Run | None:
    """The run that predictions use by default: approved before others, then by best validation accuracy.

    Runs that are archived, rejected, unreadable or without weights are left out.
    """
    sound = [run for run in runs if run.config and run.state is not RunState.DAMAGED and run.has_weights]
    return max(
        (run for run in sound if not run.meta.archived and run.meta.review != "rejected"),
        key=lambda run: (run.meta.review == "approved", run.validation_accuracy or 0.0),
        default=None,
    )
