"""Which runs the Train page offers to learn from: as teachers, or for soft labels."""

from collections import Counter
from collections.abc import Mapping, Sequence

from core.data.dataset import DatasetInfo
from core.runs.ensembles import Ensemble
from core.runs.records import Run, RunState
from core.splits import HELD_OUT
from dashboard.ui.format import percent
from dashboard.ui.runs import in_a_list


def learnable_runs(
    runs: Sequence[Run], ensembles: Sequence[Ensemble], dataset: DatasetInfo | None
) -> dict[str, Mapping[str, str]]:
    """For the settings `teachers` and `soft_labels`: ids of runs, each with the title that is shown; for the first also
    ensembles, whose members teach.

    Args:
        runs: all there are.
        ensembles: all there are.
        dataset: the selected one; runs that were trained on it are offered. Others may be typed on the command line.
    """
    finished = [
        run
        for run in runs
        if dataset
        and run.state is RunState.FINISHED
        and run.config
        and not run.meta.archived
        and run.data.content == dataset.fingerprint
    ]
    names = Counter(run.name for run in finished)
    teachers = [run for run in finished if run.has_weights]
    labelers = [run for run in finished if run.config and run.config.hold_out and run.paths.has_predictions(HELD_OUT)]
    together = {
        each.id: in_a_list(each)
        for each in ensembles
        if dataset and not each.problem and each.data.content == dataset.fingerprint
    }
    return {
        "teachers": together | {run.id: _title(run, names) for run in teachers},
        "soft_labels": {run.id: _title(run, names) for run in labelers},
    }


def _title(run: Run, names: Mapping[str, int]) -> str:
    """Its name, with the id where another has the same, and its validation accuracy."""
    name = run.name if names[run.name] == 1 else f"{run.name} ({run.id})"
    return name if run.validation_accuracy is None else f"{name} · {percent(run.validation_accuracy)}"
