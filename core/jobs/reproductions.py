"""Several reproductions of one run: how much its result depends on nothing but chance in the hardware."""

from pathlib import Path

from core.errors import RunError
from core.jobs.groups import NewGroup, start_group
from core.runs.groups import Group
from core.runs.reader import read_run


def reproduce_often(
    runs_root: Path, data_root: Path, run_id: str, count: int, *, author: str = "", started_by: str = ""
) -> Group:
    """Retrain a finished run several times with its recorded settings; each ends with a comparison.

    Args:
        runs_root: the folder of all runs.
        data_root: the folder of datasets.
        run_id: the run.
        count: how many times.
        author: who is shown as having started them.
        started_by: whose runs they are, see `RunMeta`.

    Raises:
        RunError: as for `core.jobs.control.reproduce`, or as for `start_group`.
        DataError: its dataset is not on this machine.
    """
    from core.comparison.reproduction import check_reproducible

    run = read_run(runs_root, run_id)
    check_reproducible(run, data_root)
    assert run.config  # checked
    if run.newer_settings:
        raise RunError(f"Can't reproduce run {run.id} with all its settings: it was made by a newer version.")
    new = NewGroup("reproductions", run.config, [{}] * count, title=run.name, parent=run.id)
    return start_group(runs_root, data_root, new, author=author, started_by=started_by)
