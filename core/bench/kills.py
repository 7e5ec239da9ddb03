"""Workers that are killed at named moments: run by `python -m core bench faults`."""

import time
from pathlib import Path
from typing import Final

from core.bench.sandbox import CONFIG, LONGEST_SECONDS, Report, Say, difference, finish, place, wait_for
from core.jobs.control import resume, spawn_module, start
from core.runs.create import create_run
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState

SEEN_WITHIN_SECONDS: Final = 1.0


def measure_kills(moments: list[str], say: Say) -> Report:
    """Kill a worker at each moment, then resume its run: how soon it is seen, and whether it ends as if nothing had
    happened.

    Args:
        moments: names from `MOMENTS`.
        say: gets a line of progress.
    """
    with place() as (root, data_root):
        undisturbed = finish(root, data_root, start(root, data_root, CONFIG))
        rows = []
        for moment in moments:
            say(moment)
            rows.append({"moment": moment, **_kill_at(moment, root, data_root, undisturbed)})
    return {"moments": rows, "held": all(row["held"] for row in rows)}


def _kill_at(moment: str, root: Path, data_root: Path, undisturbed: RunPaths) -> Report:
    died_at = root.parent / "died-at"
    died_at.unlink(missing_ok=True)
    paths = create_run(root, CONFIG, data_root=data_root)
    environment = {"FER_DIES_AT": moment, "FER_DIED_AT": str(died_at)}
    roots = ["--runs-root", str(root), "--data-root", str(data_root)]
    log = QueuePaths(root).runner_log
    runner = spawn_module(["core.jobs.runner", *roots, "--worker", "core.bench.mortal"], log, environment)
    # Before it has taken its run, it is the runner that sees it die.
    ended = RunState.FAILED if moment == "spawned" else RunState.CRASHED
    wait_for(lambda: not read_run(root, paths.run_id).state.is_live, 0.002)
    seen = time.monotonic()
    state = read_run(root, paths.run_id).state
    runner.wait(LONGEST_SECONDS)
    if state is not ended or not died_at.exists():
        return {"held": False, "problem": f"it did not die, but is {state.in_words()}"}
    resume(root, data_root, paths.run_id)
    finish(root, data_root, paths.run_id)
    problem = difference(undisturbed, paths)
    after = seen - float(died_at.read_text())
    held = problem is None and after <= SEEN_WITHIN_SECONDS
    return {"seen_after_seconds": round(after, 3), "state": state.value, "held": held, "problem": problem}
