"""What the engine of a cluster says about its runs. A lock proves nothing across hosts, so whoever reads runs asks the
engine that started them, once for all runs of a look.

The floor below cannot import the launchers, so each of them registers here how it is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from core.runs.paths import RunPaths

Alive = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Answer:
    """What an engine says about one run."""

    alive: Alive
    """Whether the engine still has it: `yes` if it waits there or is training."""
    waits: bool = False
    """Whether the engine has it in its own queue, for the first time or again."""
    text: str = ""
    """Why it waits, or why nothing is known, in one sentence."""


Ask = Callable[[Sequence[RunPaths]], Mapping[str, Answer]]
"""Asks an engine about runs, in one request for all of them; by run id. It never raises and takes seconds at most: an
engine that does not answer makes every answer `unknown`."""

_ENGINES: Final[dict[str, Ask]] = {}


def register_engine(launcher: str, ask: Ask) -> None:
    """Have the runs that a launcher has started judged by this."""
    _ENGINES[launcher] = ask


def ask_engine(launcher: str, runs: Sequence[RunPaths]) -> dict[str, Answer]:
    """What the engine of a launcher says about these runs, by run id; `unknown` where this process cannot ask it."""
    ask = _ENGINES.get(launcher)
    found = ask(runs) if ask else {}
    unknown = Answer("unknown", text=f"{launcher} can't be asked from here.")
    return {paths.run_id: found.get(paths.run_id, unknown) for paths in runs}
