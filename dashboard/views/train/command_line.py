"""The command that starts the same run as the form of the Train page."""

import shlex

from core.config import TrainConfig, as_typed
from core.jobs.launchers import LOCAL
from core.presets import PRESETS
from core.runs.records import Run


def command(source: str | Run, config: TrainConfig, name: str, author: str, launcher: str = LOCAL) -> str:
    """The command line that starts the same run, from a preset of that name or as the clone of a run."""
    if isinstance(source, Run):
        base, parts = source.config, [f"python -m core runs clone {source.id}"]
    else:
        base, parts = PRESETS[source].config, ["python -m core train", f"--preset {source}"]
    parts += [
        f"--set {field}={shlex.quote(str(as_typed(getattr(config, field))))}"
        for field in TrainConfig.model_fields
        if getattr(config, field) != getattr(base, field)
    ]
    parts += [
        f"--{option} {shlex.quote(text.strip())}" for option, text in (("name", name), ("author", author)) if text
    ]
    if launcher != LOCAL:
        parts.append(f"--launcher {launcher}")
    return " ".join(parts)
