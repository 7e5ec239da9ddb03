"""The commands about datasets: `python -m core data ...`."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.options import AsJson, DataRoot, terminal_user
from core.cli.output import print_json
from core.errors import DataError, system_reason
from core.labels import LABELS

if TYPE_CHECKING:
    from core.data.dataset import DatasetInfo
    from core.data.importers.auto import Found
    from core.data.kaggle.download import Download

data_app = typer.Typer(help="Download, import and inspect datasets.", no_args_is_help=True, rich_markup_mode=None)


@data_app.command("import")
def data_import(
    path: Annotated[
        Path,
        typer.Argument(
            help="FER2013 as zip, folder, CSV, Parquet or tar; fer2013new.csv for FER+ labels; or a folder, zip or tar "
            "with a folder of images per class, or with a label file."
        ),
    ],
    data_root: DataRoot,
    name: Annotated[
        str | None, typer.Option(help="Dataset name.", show_default="fer2013, fer2013-plus, or the name of PATH")
    ] = None,
    accept_differences: Annotated[
        bool, typer.Option(help="Import even if counts differ from the published ones.")
    ] = False,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            "--mapping",
            metavar="FOLDER=CLASS,...",
            help="Class or split of a folder or label, - to skip it; repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Custom dataset: split seed, where no folders name the splits.")] = 0,
    skip_unreadable: Annotated[bool, typer.Option(help="Custom dataset: skip unreadable images.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be imported.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find out what PATH holds, then validate and cache it as a dataset; if this fails, nothing is kept. FER2013 is
    recognised under any names; anything else becomes a custom dataset."""
    from core.cli.progress import ProgressBar
    from core.data.importers.auto import examine
    from core.data.importers.mapping import parse_mapping
    from core.team import actions

    mapped = parse_mapping(mapping or [])
    if dry_run:
        _print_found(path, examine(path, mapped), as_json)
        return
    with ProgressBar() as bar:

        def show(done: int, total: int) -> None:
            bar.update(f"{done:,} of {total:,} images", done / max(total, 1))

        info = actions.import_data(
            terminal_user(),
            data_root,
            path,
            name=name,
            mapping=mapped,
            seed=seed,
            skip_unreadable=skip_unreadable,
            accept_differences=accept_differences,
            progress=show,
        )
    _print_dataset(info, as_json)


@data_app.command("download")
def data_download(
    data_root: DataRoot,
    kaggle_json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="kaggle.json of your account; saved for later downloads.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with an API token, - for standard input; saved, too.")
    ] = None,
    accept_differences: Annotated[
        bool, typer.Option(help="Import even if counts differ from the published ones.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download FER2013 from Kaggle and import it. Without a file, the saved token or the one on this machine is used.
    Ctrl-C cancels; the next download resumes."""
    from core.data.dataset import read_info
    from core.data.fer2013 import TERMS
    from core.data.kaggle import credentials, download
    from core.team import actions

    given = kaggle_json or token_file
    if given:
        actions.save_token(terminal_user(), data_root, credentials.parse_credentials(_read_secret(given)))
        print("Token saved for later downloads. `data credentials --remove` removes it.", file=sys.stderr)
    running = download.look(data_root)
    if running is None or not running.running:  # else follow the one in progress
        print(TERMS, file=sys.stderr)
        actions.start_download(terminal_user(), data_root, accept_differences=accept_differences)
    try:
        ended = _follow_download(data_root)
    except KeyboardInterrupt:
        actions.cancel_download(terminal_user(), data_root)
        ended = _follow_download(data_root)
    if ended.state != "finished":
        raise DataError(ended.sentence)
    actions.clear_download(terminal_user(), data_root)
    print(ended.sentence, file=sys.stderr)
    _print_dataset(read_info(data_root, ended.name), as_json)


@data_app.command("credentials")
def data_credentials(
    data_root: DataRoot,
    remove: Annotated[bool, typer.Option("--remove", help="Delete the saved token.")] = False,
) -> None:
    """Show which Kaggle token a download would use, without revealing it."""
    from core.data.kaggle import credentials
    from core.team import actions

    if remove:
        actions.remove_token(terminal_user(), data_root)
    source = credentials.find_credentials()
    print(f"A download would use {source.where}." if source else "No Kaggle token on this machine.")


def _follow_download(data_root: Path) -> "Download":
    """Show how far the download is until it ends."""
    from core.cli.progress import ProgressBar
    from core.data.kaggle import download

    with ProgressBar() as bar:
        while (now := download.look(data_root)) and now.running:
            bar.update(now.sentence, now.done / now.total if now.total else None)
            time.sleep(0.25)
    return now or download.Download(state="cancelled")


def _read_secret(path: Path) -> bytes:
    """The beginning of a file: what is longer is not a token.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            return file.read(20_000)
    except OSError as error:
        raise DataError(f"Can't read {path.name!r}: {system_reason(error)}.") from error


@data_app.command("demo")
def data_demo(
    data_root: DataRoot,
    seed: Annotated[int, typer.Option(help="Seed of the generated images.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Generate the synthetic demo dataset: cartoon faces, to try every feature without FER2013."""
    from core.team import actions

    _print_dataset(actions.import_demo(terminal_user(), data_root, seed=seed), as_json)


@data_app.command("status")
def data_status(data_root: DataRoot, as_json: AsJson = False) -> None:
    """List the imported datasets with their image counts."""
    from core.data.dataset import list_datasets

    infos = list_datasets(data_root)
    if as_json:
        print_json([info.model_dump(mode="json") for info in infos])
    elif not infos:
        print(
            "No dataset yet. Run `python -m core data download`, `python -m core data import PATH` or "
            "`python -m core data demo`."
        )
    else:
        for info in infos:
            _print_dataset(info, False)


@data_app.command("audit")
def data_audit(
    data_root: DataRoot,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Dataset name.")] = "fer2013",
    as_json: AsJson = False,
) -> None:
    """Find duplicates, conflicting labels, train-test leakage and blank images. Cached with the dataset."""
    from core.data.audit import audit_dataset

    audit = audit_dataset(data_root, name)
    if as_json:
        print_json({"counts": audit.counts(), **audit.model_dump(mode="json")})
        return
    print(f"{audit.name}: {audit.images:,} images, {audit.unique:,} unique, {audit.repeats:,} duplicates")
    others = [split for split in audit.sizes if split != "train"]
    lines = [
        (len(audit.duplicates), "groups of exact duplicates"),
        (len(audit.conflicts), "of them with conflicting labels"),
        (len(audit.leaks), "of them leaked: in train and in validation or test"),
        (len(audit.leak_conflicts), "leaked with conflicting labels"),
        *(
            (len(audit.shared_with_train(split)), f"{split} images with an exact duplicate in train")
            for split in others
        ),
        (len(audit.near), "groups of near-duplicates"),
        (len(audit.near_conflicts), "of them with conflicting labels"),
        (len(audit.near_leaks), "of them leaked: in train and in validation or test"),
        (len(audit.flat), "blank images: a single uniform gray value"),
        (len(audit.nearly_flat), "blank or near-blank images: standard deviation below 5 gray levels"),
    ]
    for count, text in lines:
        print(f"{count:>8,}  {text}")


def _print_found(path: Path, found: "Found", as_json: bool) -> None:
    """Show what a path holds; where something must be decided first, end as an import would.

    Raises:
        DataError: something must be decided.
    """
    rows = found.rows()
    if as_json:
        print_json({"form": found.form, "summary": found.summary, "rows": rows, "question": found.layout.question})
    else:
        print(f"{path.name}: {found.summary}")
        width = max([5, *(len(str(row["found"])) for row in rows)])
        if rows:
            print(f"{'found':{width}}  {'split':<10}  {'class':<8}  {'images':>7}")
        for row in rows:
            print(f"{row['found']:{width}}  {row['split']:<10}  {row['class']:<8}  {row['images']:>7,}")
        for note in found.notes():
            print(note)
    if found.layout.question:
        raise DataError(f"{path.name!r} {found.layout.question}")


def _print_dataset(info: "DatasetInfo", as_json: bool) -> None:
    if as_json:
        print_json(info.model_dump(mode="json"))
        return
    print(f"{info.name}: {info.title}, from {info.source}, fingerprint {info.fingerprint[:12]}")
    print(f"{'':12}" + "".join(f"{label:>10}" for label in LABELS) + f"{'total':>10}")
    for split, counts in info.counts.items():
        print(f"{split:12}" + "".join(f"{counts[label]:>10,}" for label in LABELS) + f"{sum(counts.values()):>10,}")
    if info.kind == "fer2013":
        agree = (
            "Counts match the published ones."
            if info.matches_published
            else f"{len(info.differences)} class counts differ from the published ones."
        )
        print(agree)
    if missing := info.missing_classes:
        print(f"No images of {', '.join(missing)}: metrics leave out these classes.")
    if info.skipped:
        print(f"{info.skipped:,} unreadable images skipped.")
    if info.left_out:
        print("Excluded: " + ", ".join(f"{count:,} {reason}" for reason, count in info.left_out.items()) + ".")
