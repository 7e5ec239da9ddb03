"""Which runs the Train page offers to learn from: to start from their weights, as teachers, or for soft labels."""

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
    """For the settings `initial_weights`, `teachers` and `soft_labels`: ids of runs, each with the title that is shown;
    for teachers also ensembles, whose members teach.

    Args:
        runs: all there are.
        ensembles: all there are.
        dataset: the selected one; teachers were trained on it, as were runs for soft labels. Others may be typed on the
            command line. Weights to start from are offered of any dataset: this is what they are mostly for.
    """
    finished = [
        run for run in runs if run.state is RunState.FINISHED and run.config is not None and not run.meta.archived
    ]
    same_data = [run for run in finished if dataset and run.data.content == dataset.fingerprint]
    names = Counter(run.name for run in finished)
    pretrained = sorted((run for run in finished if run.has_weights), key=lambda run: run not in same_data)
    teachers = [run for run in same_data if run.has_weights]
    labelers = [run for run in same_data if run.config and run.config.hold_out and run.paths.has_predictions(HELD_OUT)]
    together = {
        each.id: in_a_list(each)
        for each in ensembles
        if dataset and not each.problem and each.data.content == dataset.fingerprint
    }
    return {
        "initial_weights": {run.id: _title(run, names, data=run not in same_data) for run in pretrained},
        "teachers": together | {run.id: _title(run, names) for run in teachers},
        "soft_labels": {run.id: _title(run, names) for run in labelers},
    }


def _title(run: Run, names: Mapping[str, int], *, data: bool = False) -> str:
    """Its name, with the id where another has the same, its validation accuracy, and, if asked for, of which data."""
    name = run.name if names[run.name] == 1 else f"{run.name} ({run.id})"
    accuracy = "" if run.validation_accuracy is None else f" · {percent(run.validation_accuracy)}"
    return f"{name}{accuracy}{f' on {run.config.dataset}' if data and accuracy and run.config else ''}"
