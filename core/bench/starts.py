"""Many runs started at once from the command line: run by `python -m core bench faults`."""

import re
import subprocess
import time

from core.bench.sandbox import CONFIG, LONGEST_SECONDS, Report, Say, place, processes_of, wait_for
from core.processes import start_module
from core.runs.paths import QueuePaths
from core.runs.reader import list_runs
from core.runs.records import Run, RunState


def measure_starts(count: int, say: Say) -> Report:
    """So many `python -m core train` at once: none is lost, none is started twice, one runner serves them.

    Args:
        count: how many.
        say: gets a line of progress.
    """
    with place() as (root, data_root):
        config = CONFIG.model_copy(update={"epochs": 1, "images_per_epoch": 16})
        changed = config.model_dump(exclude_defaults=True).items()
        settings = [word for field, value in changed for word in ("--set", f"{field}={value}")]
        roots = ["--runs-root", str(root), "--data-root", str(data_root)]
        begun = time.monotonic()
        commands = [
            start_module("core", "train", *settings, *roots, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(count)
        ]
        spawned = time.monotonic() - begun
        said = [command.communicate(timeout=LONGEST_SECONDS) for command in commands]
        started = time.monotonic() - begun
        say(f"{count} started")
        positions = {run.status.queue_position for run in list_runs(root)}
        runners = len(processes_of(root, "core.jobs.runner"))
        wait_for(lambda: not any(run.state.is_live for run in list_runs(root)), seconds=LONGEST_SECONDS + 20 * count)
        runs = list_runs(root)
        starts = re.findall(r"(\S+) starts on", QueuePaths(root).runner_log.read_text())
    return {
        "starts": count,
        "spawned_within_seconds": round(spawned, 2),
        "started_within_seconds": round(started, 1),
        "all_ended_after_seconds": round(time.monotonic() - begun, 1),
        "runners": runners,
        **_judge(count, runs, {out.decode().strip() for out, _ in said}, positions, starts, runners),
    }


def _judge(
    count: int, runs: list[Run], ids: set[str], positions: set[float], starts: list[str], runners: int
) -> Report:
    problems = []
    if len(ids) < count or {run.id for run in runs} != ids:
        problems.append(f"{len(ids)} ids, {len(runs)} folders")
    if len(positions) < count:
        problems.append(f"{len(positions)} places in the queue")
    if sorted(starts) != sorted(ids):
        problems.append(f"{len(starts)} starts of {len(set(starts))} runs")
    if unfinished := [run.id for run in runs if run.state is not RunState.FINISHED]:
        problems.append(f"not finished: {', '.join(unfinished)}")
    if runners != 1:
        problems.append(f"{runners} runners")
    return {"problems": problems, "held": not problems}
