"""`python -m core train` and `evaluate`."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.options import (
    AsJson,
    DataRoot,
    Device,
    LauncherName,
    RunsRoot,
    Settings,
    SplitName,
    config_of,
    find_members,
    pairs,
    reported_split,
    terminal_user,
)
from core.cli.output import accuracy_text, as_percent, print_json
from core.config import TrainConfig
from core.errors import ConfigError
from core.numbers import signed
from core.presets import PRESETS, make_config

if TYPE_CHECKING:
    from core.evaluation.inference import Views
    from core.runs.records import Run
    from core.runs.summary import ViewMetrics
    from core.training.compute import Compute


class KeepWeights(StrEnum):
    """Whose weights a group of runs keeps."""

    ALL = "all"
    BEST = "best"


def start_training(
    runs_root: RunsRoot,
    data_root: DataRoot,
    preset: Annotated[str, typer.Option(help=f"Preset to start from: {', '.join(PRESETS)}.")] = "original",
    settings: Settings = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep", metavar="FIELD=VALUE,VALUE", help="Start a run per value, such as seed=1..5; repeatable."
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="With --sweep: number of random combinations to draw instead of all.")
    ] = None,
    sample_seed: Annotated[int | None, typer.Option(min=0, help="Random seed for --sample; 0 if not given.")] = None,
    keep: Annotated[KeepWeights, typer.Option(help="With --sweep: whose weights to keep.")] = KeepWeights.ALL,
    teachers: Annotated[
        bool, typer.Option("--teachers", help="With --sweep seed=...: the runs are to teach a student.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would start, and start nothing.")] = False,
    name: Annotated[str, typer.Option(help="Display name; of a sweep, that of the group.")] = "",
    author: Annotated[str, typer.Option(help="Who starts the run.")] = "",
    launcher: Annotated[
        LauncherName, typer.Option(help="Where to train: on this machine, or on a cluster as site.toml says.")
    ] = LauncherName.LOCAL,
    preview: Annotated[
        bool, typer.Option("--preview", help="Print what the launcher would start, and start nothing.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Show progress and return when the run has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a training run in the background and print its id; with --sweep, several."""
    from core.cli.follow import follow_to_end
    from core.cli.sweep import SweepOptions, announce, parse_sweep, start_sweep_of
    from core.data.dataset import read_info
    from core.jobs.launchers import preview_start
    from core.runs.reader import read_run
    from core.runs.table import run_as_json
    from core.team import actions

    config = make_config(preset, pairs(settings))
    options = SweepOptions(sample, sample_seed, "best" if keep is KeepWeights.BEST else "all", teachers, dry_run)
    options.check(swept=bool(sweep))
    _check_not_started(preview=preview, dry_run=dry_run, wait=wait, as_json=as_json)
    swept = parse_sweep(config, sweep, options) if sweep else None
    if preview:
        print(preview_start(launcher.value, runs_root, data_root), end="")
        return
    if swept:
        start_sweep_of(
            runs_root,
            data_root,
            swept,
            options,
            name=name,
            author=author,
            wait=wait,
            as_json=as_json,
            launcher=launcher.value,
        )
        return
    read_info(data_root, config.dataset)  # a missing dataset is better reported now than in the run's log
    if dry_run:
        announce(runs_root, data_root, [config], launcher.value)
        if as_json:
            print_json([config.model_dump(mode="json")])
        return
    run_id = actions.start(
        terminal_user(), runs_root, data_root, config, name=name, author=author, launcher=launcher.value
    )
    if not as_json or wait:
        print(run_id, file=sys.stderr if as_json else sys.stdout)
    if wait:
        follow_to_end(runs_root, run_id)
    if as_json:
        print_json(run_as_json(read_run(runs_root, run_id)))


def _check_not_started(*, preview: bool, dry_run: bool, wait: bool, as_json: bool) -> None:
    """Refuse what means nothing where nothing is started.

    Raises:
        ConfigError: an option is given that would be ignored.
    """
    if wait and (preview or dry_run):
        raise ConfigError(
            f"--wait and {'--preview' if preview else '--dry-run'} exclude each other: nothing is started."
        )
    if preview and (dry_run or as_json):
        raise ConfigError(f"--preview and {'--dry-run' if dry_run else '--json'} exclude each other.")


def evaluate(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="Run ids, prefixes, folders or ensembles. Several are evaluated as one ensemble."
        ),
    ],
    runs_root: RunsRoot,
    data_root: DataRoot,
    split: Annotated[SplitName, typer.Option(parser=reported_split, help="Split to score.")] = SplitName.TEST,
    tta: Annotated[
        bool, typer.Option("--tta", help="Flip TTA: average over the image and its horizontal flip.")
    ] = False,
    shifts: Annotated[
        bool,
        typer.Option("--shifts", help="With --tta: also average over translations by two pixels, ten views in all."),
    ] = False,
    proxy: Annotated[
        bool,
        typer.Option(
            "--proxy", help="With --split validation: also score it enlarged and cropped like the faces of photos."
        ),
    ] = False,
    device: Annotated[Device | None, typer.Option(help="Where to compute; by default as the run was trained.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=0, max=1024, help="CPU threads, 0 for all; by default as the run was trained.")
    ] = None,
    by_server: Annotated[bool, typer.Option("--by-server", hidden=True, help="A page has logged who asked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a run's best weights again, or several runs together: the mean of their calibrated probabilities.

    Predictions on train are computed on demand only, and saved with the run."""
    from core.runs.removed import require_weights

    found = find_members(runs_root, runs)
    _check_options(len(found), split, tta=tta, shifts=shifts, proxy=proxy)
    config = config_of(found[0])
    for each in found:
        require_weights(each)
    from core.evaluation.inference import FLIP, FLIP_AND_SHIFT, PLAIN
    from core.team import actions
    from core.training.compute import choose_compute

    views = FLIP_AND_SHIFT if shifts else FLIP
    # always computed in float32: a run that was trained in TF32 is evaluated on a CPU, too
    asked = {"device": device and device.value, "threads": threads, "precision": "float32"}
    compute = choose_compute(config.model_copy(update={key: v for key, v in asked.items() if v is not None}))
    score = partial(_score, found, split, data_root, compute, views, tta=tta)
    if split is SplitName.TRAIN and not by_server:  # what is kept with the run
        score = partial(actions.score, terminal_user(), runs_root, found[0].id, "train", score)
    metrics = score()
    on_proxy = _score_proxy(found[0], config, data_root, compute, views if tta else PLAIN, metrics) if proxy else None
    if as_json:
        beside = {"proxy": on_proxy.as_json()} if on_proxy else {}
        what = {"run": found[0].id} if len(found) == 1 else {"runs": [run.id for run in found]}
        print_json({**what, "split": split, "tta": tta, "shifts": shifts, **metrics.as_json(), **beside})
        return
    views_used = "" if not tta else " with flip and shift TTA" if shifts else " with flip TTA"
    names = " + ".join(run.id for run in found)
    print(f"{names}, {split}{views_used}: {accuracy_text(metrics)} on {metrics.images:,} images")
    print(f"{'':10} {'precision':>10} {'recall':>10} {'F1':>10} {'images':>8}")
    for label, row in metrics.per_class.items():
        values = "".join(f"{as_percent(value):>11}" for value in (row.precision, row.recall, row.f1))
        print(f"{label:10}{values} {row.support:>8,}")
    if on_proxy:
        difference = 100 * (on_proxy.accuracy - metrics.accuracy)
        print(f"{split} cropped like photos: {accuracy_text(on_proxy)}, {signed(difference, 2)} pp")


def _check_options(runs: int, split: SplitName, *, tta: bool, shifts: bool, proxy: bool) -> None:
    if tta and split is SplitName.TRAIN:
        raise ConfigError("--tta is not available for train. Remove it.")
    if shifts and not tta:
        raise ConfigError("--shifts requires --tta.")
    if proxy and split is not SplitName.VALIDATION:
        raise ConfigError("--proxy requires --split validation.")
    if runs > 1 and (proxy or split is SplitName.TRAIN):
        raise ConfigError(f"{'--proxy' if proxy else '--split train'} takes a single run, not an ensemble.")


def _score(
    runs: "Sequence[Run]", split: SplitName, data_root: Path, compute: "Compute", views: "Views", *, tta: bool
) -> "ViewMetrics":
    """The metrics on one split, of the single view or of the average over the views."""
    from core.review.corrections import corrections_of
    from core.training.ensemble_report import report_ensemble
    from core.training.final_report import report, score_train

    paths, config = runs[0].paths, config_of(runs[0])
    if split is SplitName.TRAIN:
        return score_train(paths, config, runs[0].data, data_root, compute)
    if len(runs) > 1:
        scored = report_ensemble(runs, data_root, compute, [split], tta=views)[split]
    else:
        of_run = paths, config, corrections_of(paths, config)
        scored = report(*of_run, data_root, compute, splits=[split], tta=views, keep_predictions=False)[split]
    if not tta:
        return scored
    assert scored.tta
    return scored.tta


def _score_proxy(
    run: "Run", config: TrainConfig, data_root: Path, compute: "Compute", views: "Views", beside: "ViewMetrics"
) -> "ViewMetrics":
    """The metrics on validation as the faces of photos would look, with the temperature of those on validation."""
    from core.data.dataset import load_split
    from core.prediction.proxy import photo_proxy
    from core.training.final_report import score_images

    validation = load_split(data_root, config.dataset, "validation")
    temperature = beside.temperature or 1.0
    return score_images(
        run.paths, config, photo_proxy(validation.images), validation.labels, compute, views, temperature
    )
