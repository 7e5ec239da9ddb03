"""`python -m core train --sweep`: several runs from one command."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.cli.groups import group_as_json
from core.cli.options import terminal_user
from core.cli.output import print_json
from core.cli.progress import clock
from core.config import TrainConfig
from core.errors import ConfigError, TrainingError
from core.jobs.launchers import LOCAL
from core.jobs.sweep import Sweep, parse_fields
from core.runs.naming import typed_setting


@dataclass(frozen=True)
class SweepOptions:
    """What `train` says of a sweep beside its fields."""

    sample: int | None
    sample_seed: int | None
    keep: Literal["all", "best"]
    for_teaching: bool
    dry_run: bool

    def check(self, *, swept: bool) -> None:
        """Refuse options that mean nothing without a sweep, or without each other.

        Raises:
            ConfigError: one is given.
        """
        if not swept and (self.sample is not None or self.keep != "all" or self.for_teaching):
            raise ConfigError("--sample, --keep best and --teachers require --sweep.")
        if self.sample_seed is not None and self.sample is None:
            raise ConfigError("--sample-seed requires --sample.")


def parse_sweep(config: TrainConfig, texts: Sequence[str], options: SweepOptions) -> Sweep:
    """The sweep of `--sweep FIELD=VALUE,VALUE`.

    Raises:
        ConfigError: a sentence for each field or value that is wrong.
    """
    typed: dict[str, str] = {}
    for text in texts:
        field, separator, values = text.partition("=")
        field = field.strip()
        if not separator:
            raise ConfigError(f"--sweep {text!r} has no values. Use --sweep FIELD=VALUE,VALUE.")
        if field in typed:
            raise ConfigError(f"--sweep {field} is there twice. Give all of its values at once.")
        typed[field] = values
    return Sweep(
        config,
        parse_fields(typed),
        how="grid" if options.sample is None else "random",
        sample=options.sample,
        seed=options.sample_seed or 0,
        for_teaching=options.for_teaching,
    )


def start_sweep_of(
    runs_root: Path,
    data_root: Path,
    sweep: Sweep,
    options: SweepOptions,
    *,
    name: str,
    author: str,
    wait: bool,
    as_json: bool,
    launcher: str = "local",
) -> None:
    """Say how many runs it is and how long they take, then start them and print their ids."""
    from core.cli.follow import follow_all
    from core.data.dataset import read_info
    from core.runs.groups import read_group
    from core.team import actions

    configs = sweep.configs()
    for dataset in dict.fromkeys(config.dataset for config in configs):
        read_info(data_root, dataset)
    announce(runs_root, data_root, configs, launcher)
    if options.dry_run:
        _print_list(sweep, as_json=as_json)
        return
    group = actions.start_sweep(
        terminal_user(),
        runs_root,
        data_root,
        sweep,
        title=name,
        keep=options.keep,
        author=author,
        launcher=launcher,
    )
    print(f"Group {group.name}: python -m core groups show {group.name}", file=sys.stderr)
    if not as_json or wait:
        print("\n".join(group.run_ids), file=sys.stderr if as_json else sys.stdout)
    failed = follow_all(runs_root, group.run_ids) if wait else []
    if as_json:
        print_json(group_as_json(runs_root, data_root, read_group(runs_root, group.name)))
    if failed:
        raise TrainingError(f"{len(failed)} of {len(group.run_ids)} runs failed: {', '.join(failed)}.")


def announce(runs_root: Path, data_root: Path, configs: Sequence[TrainConfig], launcher: str) -> None:
    """Print on standard error how many runs these are and, of this machine, how long they take."""
    from core.cli.groups import sizes
    from core.jobs.slots import list_slots
    from core.runs.estimate import estimate_runs
    from core.runs.reader import list_runs

    total = None  # of an engine nobody knows the speed, nor how many it trains at once
    if launcher == LOCAL:
        total = estimate_runs(configs, sizes(data_root), list_runs(runs_root), len(list_slots(runs_root)))
    about = f", about {clock(total.seconds)} of training" if total else ""
    print(f"{len(configs)} run{'' if len(configs) == 1 else 's'}{about}.", file=sys.stderr)


def _print_list(sweep: Sweep, *, as_json: bool) -> None:
    runs = sweep.values()
    if as_json:
        print_json(runs)
        return
    for values in runs:
        print(" ".join(f"{field}={typed_setting(value) or 'none'}" for field, value in values.items()))
