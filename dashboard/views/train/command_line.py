"""The commands that start the same runs as the form of the Train page."""

import shlex
from collections.abc import Collection

from core.config import TrainConfig, as_typed
from core.jobs.launchers import LOCAL
from core.jobs.sweep import Sweep
from core.presets import PRESETS
from core.runs.naming import typed_setting
from core.runs.records import Run


def command(source: str | Run, config: TrainConfig, name: str, author: str, launcher: str = LOCAL) -> str:
    """The command line that starts the same run, from a preset of that name or as the clone of a run."""
    if isinstance(source, Run):
        base, begins = source.config, f"python -m core runs clone {source.id}"
    else:
        base, begins = PRESETS[source].config, f"python -m core train --preset {source}"
    options = _options(name=name, author=author, launcher=_unless_local(launcher))
    return " ".join([begins, *_settings(config, base), *options])


def sweep_command(
    source: str | Run, sweep: Sweep, *, keep_best: bool, name: str, author: str, launcher: str = LOCAL
) -> str:
    """The command line that starts the same sweep.

    Args:
        source: the name of a preset, or a run whose settings these are; for those there is a preset's command, too.
        sweep: what is started.
        keep_best: whether only the best run keeps its weights.
        name: of the group; empty for none.
        author: who starts it; empty for nobody.
        launcher: what starts its processes.
    """
    preset = source if isinstance(source, str) else next(iter(PRESETS))
    parts = [f"python -m core train --preset {preset}"]
    parts += _settings(sweep.base, PRESETS[preset].config, but=sweep.fields)
    several = {field: ",".join(map(typed_setting, values)) for field, values in sweep.fields.items()}
    parts += [f"--sweep {field}={shlex.quote(text)}" for field, text in several.items()]
    parts += _options(sample=str(sweep.sample or ""), keep="best" if keep_best else "", name=name, author=author)
    parts += _options(launcher=_unless_local(launcher))
    return " ".join(parts)


def _settings(config: TrainConfig, base: TrainConfig | None, but: Collection[str] = ()) -> list[str]:
    """The settings that differ from others, but for some fields."""
    return [
        f"--set {field}={shlex.quote(str(as_typed(getattr(config, field))))}"
        for field in TrainConfig.model_fields
        if field not in but and getattr(config, field) != getattr(base, field)
    ]


def _unless_local(launcher: str) -> str:
    return "" if launcher == LOCAL else launcher


def _options(**texts: str) -> list[str]:
    """The options that are not empty."""
    return [f"--{option} {shlex.quote(text.strip())}" for option, text in texts.items() if text]
