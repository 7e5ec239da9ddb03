"""What the runs of a group are called on its page: by the settings in which they differ, as their names begin alike."""

from core.config import field_label
from core.runs.fields import setting_text
from core.runs.groups import Group
from core.runs.records import Run


def values_in_words(group: Group, run: Run | str) -> str:
    """The settings of a run, or of the id of one that is not there, such as `Seed 3 · Batch size 64`; where the runs of
    the group do not differ in any, its name."""
    run_id = run.id if isinstance(run, Run) else run
    values = group.values_of(run_id)
    said = " · ".join(f"{field_label(name)} {setting_text(value)}" for name, value in values.items())
    return said or (run.name if isinstance(run, Run) else run_id)


def short_name(group: Group, run: Run) -> str:
    """The values alone, for a legend: `3 · 64`."""
    return " · ".join(map(setting_text, group.values_of(run.id).values())) or run.name
