"""Runs that go out as a bundle and come in again: the same, or not at all."""

import errno
import io
import json
import shutil
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import RunError
from core.evaluation.predictions import PROBABILITY_COLUMNS
from core.exchange import bundle
from core.exchange.bundle import import_bundle, write_zip
from core.files import write_json
from core.models.cnn import build_model
from core.review.runs import annotate, local_user
from core.runs.paths import QueuePaths, RunPaths
from core.runs.reader import list_runs, read_config, read_run
from core.runs.records import RunState
from tests.conftest import PROJECT_ROOT
from tests.dashboard_fixtures import write_run

ID = "a-run"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, demo_root: Path) -> Files:
    """What a bundle of a finished run holds."""
    root = tmp_path_factory.mktemp("elsewhere")
    run = write_run(root, demo_root, "finished", epochs=2)
    config = read_config(run.paths).model_copy(update={"model": "cnn-model-1"})  # the smaller one
    write_json(run.paths.config, config.model_dump(mode="json"))
    torch.save(build_model(config.model).state_dict(), run.paths.weights)
    return {path.name: path.read_bytes() for path in bundle.files_of(run.paths)}


def packed(files: Files, top: str = ID) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(f"{top}/{name}", content)
    return made


def with_entry(files: Files, entry: zipfile.ZipInfo | str, content: bytes = b"{}") -> io.BytesIO:
    made = packed(files)
    with warnings.catch_warnings(), zipfile.ZipFile(made, "a") as archive:
        warnings.simplefilter("ignore")  # that a name is there twice is what is wanted
        archive.writestr(entry, content)
    return made


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o644) << 16
    return info


def table(rows: int = 3, ids: Any = None, compression: str = "snappy", **columns: Any) -> bytes:
    frame: dict[str, Any] = {"image_id": ids or ["x"] * rows, "label": np.zeros(rows, np.int8)}
    frame |= {name: np.full(rows, 1 / 7, np.float32) for name in PROBABILITY_COLUMNS}
    frame |= {"loss": np.ones(rows, np.float32)} | columns
    made = io.BytesIO()
    pq.write_table(pa.table(frame), made, compression=compression)
    return made.getvalue()


class Evil:
    """What a pickle may hold: something to be called."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return print, ("this must never run",)


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def with_other_size(files: Files) -> io.BytesIO:
    """The directory says that a file is smaller than what it unpacks to."""
    made = packed({**files, "train.log": b"x" * 5000})
    content = made.getvalue()
    at = content.rindex(f"{ID}/train.log".encode()) - 46
    assert content[at : at + 4] == b"PK\1\2"
    return io.BytesIO(content[: at + 24] + struct.pack("<I", 4000) + content[at + 28 :])


def encrypted(files: Files) -> io.BytesIO:
    content = bytearray(packed(files).getvalue())
    at = content.rindex(f"{ID}/config.json".encode()) - 46
    content[at + 8] |= 1
    return io.BytesIO(content)


HOSTILE: dict[str, tuple[Callable[[Files], io.BytesIO], str]] = {
    "no zip file": (lambda files: io.BytesIO(b"PK\3\4 no zip"), "is not a zip file"),
    "cut short": (lambda files: io.BytesIO(packed(files).getvalue()[:-100]), "is not a zip file"),
    "above the folder": (lambda files: with_entry(files, f"{ID}/../../x.json"), "points outside"),
    "an absolute path": (lambda files: with_entry(files, "/tmp/x.json"), "points outside"),
    "a drive": (lambda files: with_entry(files, "C:\\x.json"), "points outside"),
    "a link": (lambda files: with_entry(files, special(f"{ID}/notes.json", stat.S_IFLNK), b"/etc/passwd"), "is a link"),
    "a device": (lambda files: with_entry(files, special(f"{ID}/notes.json", stat.S_IFCHR)), "special file"),
    "a folder inside": (lambda files: with_entry(files, f"{ID}/below/x.json"), "folder of one run and nothing else"),
    "two runs": (lambda files: with_entry(files, "another/config.json"), "folder of one run and nothing else"),
    "no folder": (lambda files: packed(files, top="."), "is not the id of a run"),
    "an id that is a folder of ours": (lambda files: packed(files, top=".queue"), "folder of one run"),
    "an id with a blank": (lambda files: packed(files, top="A run"), "is not the id of a run"),
    "a file twice": (lambda files: with_entry(files, f"{ID}/meta.json"), "meta.json twice"),
    "too many files": (lambda files: packed({**files, **{f"{n}.x": b"" for n in range(201)}}), "more than 200 files"),
    "a bomb": (lambda files: packed({**files, "notes.json": b" " * 60_000_000}), "notes.json is larger than 50 MB"),
    "another size than declared": (with_other_size, "is corrupt"),
    "protected by a password": (encrypted, "protected by a password"),
    "no status": (lambda files: packed({k: v for k, v in files.items() if k != "status.json"}), "no status.json"),
    "settings of another program": (
        lambda files: packed({**files, "config.json": b'{"epochs": -1}'}),
        "config.json is not usable",
    ),
    "a state that there is not": (
        lambda files: packed({**files, "status.json": files["status.json"].replace(b"finished", b"approved")}),
        "status.json is not usable",
    ),
    "a summary of texts": (
        lambda files: packed({**files, "summary.json": b'{"epochs_done": "many"}'}),
        "summary.json is not usable",
    ),
    "JSON without end": (lambda files: packed({**files, "reproduction.json": b"[" * 100_000}), "nested too deeply"),
    "NaN": (lambda files: packed({**files, "environment.json": b'{"threads": NaN}'}), "contains NaN"),
    "a list": (lambda files: packed({**files, "environment.json": b"[]"}), "not a JSON object"),
    "a history of another kind": (
        lambda files: packed({**files, "epochs.jsonl": b'{"epoch": 1}\nrm -rf /\n'}),
        "epochs.jsonl is not usable (line 2: it is not JSON)",
    ),
    "a pickle as weights": (lambda files: packed({**files, "fer2013_model_2.pth": saved(Evil())}), "may run code"),
    "a pickle beside the weights": (
        lambda files: packed({**files, "checkpoint.pt": saved({"model": {}, "x": Evil()})}),
        "checkpoint.pt is not usable (it is corrupt, or holds more than tensors, which may run code)",
    ),
    "weights of another model": (
        lambda files: packed({**files, "fer2013_model_2.pth": saved({"layer.weight": torch.ones(3)})}),
        "does not have the weights of",
    ),
    "weights that are not finite": (
        lambda files: packed(
            {
                **files,
                "fer2013_model_2.pth": saved(
                    {
                        name: value * float("nan")
                        for name, value in torch.load(
                            io.BytesIO(files["fer2013_model_2.pth"]), weights_only=True
                        ).items()
                    }
                ),
            }
        ),
        "NaN or Inf",
    ),
    "a bomb of weights": (
        lambda files: packed({**files, "fer2013_model_2.pth": inflated()}),
        "unpacks to more than",
    ),
    "predictions that are text": (lambda files: packed({**files, "predictions-test.parquet": b"PAR1"}), "not a table"),
    "predictions without classes": (
        lambda files: packed({**files, "predictions-test.parquet": of_frame({"image_id": ["a"], "label": [1]})}),
        "not a valid table",
    ),
    "predictions with too many rows": (
        lambda files: packed({**files, "predictions-test.parquet": table(200_001)}),
        "not a table of predictions",
    ),
    "predictions with one long text a thousand times": (
        lambda files: packed({**files, "predictions-test.parquet": table(1000, ids=["x" * 100_000] * 1000)}),
        "image ids that are too long",
    ),
    "predictions packed otherwise": (
        lambda files: packed({**files, "predictions-test.parquet": table(compression="zstd")}),
        "not a table of predictions",
    ),
    "predictions with lists": (
        lambda files: packed({**files, "predictions-test.parquet": table(more=[[1] * 9, [], []])}),
        "not a table of predictions",
    ),
    "events of another program": (
        lambda files: packed({**files, "events.out.tfevents.0001": b"x" * 100}),
        "not an event file",
    ),
}


def of_frame(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(columns).to_parquet(file)
    return file.getvalue()


def inflated() -> bytes:
    """A file as `torch.save` writes it, of 70 kB, that unpacks to 70 MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"x")
        archive.writestr("archive/data/0", bytes(70_000_000))
    return file.getvalue()


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_bundle_is_refused_and_leaves_nothing(
    case: str, good: Files, runs_root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, reason = HOSTILE[case]
    with pytest.raises(RunError) as caught:
        import_bundle(make(good), runs_root, by="Ada", name="run.zip")
    message = str(caught.value)
    assert reason in message and message.endswith((".", ")")) and "\n" not in message and len(message) < 500, message
    assert "this must never run" not in "".join(capfd.readouterr())
    assert list_runs(runs_root) == [] and leftovers(runs_root) == []
    assert {path.name for path in runs_root.parent.iterdir()} == {runs_root.name}


def leftovers(runs_root: Path) -> list[str]:
    drafts = QueuePaths(runs_root).drafts
    found = [path for path in runs_root.iterdir() if path != drafts.parent]
    return [path.name for path in (*found, *(drafts.iterdir() if drafts.exists() else ()))]


def test_what_the_hostile_ones_are_made_of_is_accepted(good: Files, runs_root: Path) -> None:
    made = import_bundle(packed(good), runs_root, by="Ada", name="run.zip")
    assert made == bundle.ImportedRun(ID, ID)
    [run] = list_runs(runs_root)
    assert (run.id, run.state, run.problem) == (ID, RunState.FINISHED, None)
    for name, content in good.items():
        if name != "meta.json":
            assert (run.paths.folder / name).read_bytes() == content
    assert json.loads(run.paths.meta.read_text()) == {**json.loads(good["meta.json"]), "started_by": "Ada"}
    assert leftovers(runs_root) == [ID]


def test_out_deleted_and_in_again_it_is_the_same_byte_by_byte(runs_root: Path, tmp_path: Path) -> None:
    """By the commands, with the real run that is shipped, under another id."""
    reference = PROJECT_ROOT / "runs" / "reference-cnn-model-2"
    shutil.copytree(reference, runs_root / "the-best", ignore=shutil.ignore_patterns("*.lock"))
    paths = RunPaths(runs_root, "the-best")
    paths.checkpoint.write_bytes(saved({"format": 1}))
    before = {path.name: path.read_bytes() for path in paths.folder.iterdir()}

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--runs-root", str(runs_root)])
        assert result.exception is None, result.exception
        return result.stdout.strip()

    written = run("export", "the-best", "--format", "bundle", "--checkpoint", "--output", str(tmp_path))
    assert written == str(tmp_path / "the-best.zip")
    run("runs", "delete", "the-best", "--yes")
    assert list_runs(runs_root) == []
    assert run("runs", "import", written, "--by", "Ada", "--keep-review") == "the-best: imported."
    after = {path.name: path.read_bytes() for path in paths.folder.iterdir() if path.suffix != ".lock"}
    origin = json.loads(after.pop("imports.jsonl"))
    own = {"started_by": local_user()}
    assert json.loads(after.pop("meta.json")) == json.loads(before.pop("meta.json")) | own
    assert after == before
    assert (origin["by"], origin["bundle"], origin["run"]) == ("Ada", "the-best.zip", "the-best")
    assert "imported      by Ada" in run("runs", "show", "the-best")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_was_not_at_its_end_is_stopped(state: str, good: Files, runs_root: Path) -> None:
    status = json.loads(good["status.json"]) | {"state": state, "data_root": "/elsewhere", "newer": 1}
    made = import_bundle(packed({**good, "status.json": json.dumps(status).encode()}), runs_root, by="Ada")
    assert made.notes == (f"It was {state} when it was exported. Here it is stopped.",)
    run = read_run(runs_root, ID)
    assert (run.state, run.status.data_root, run.problem) == (
        RunState.STOPPED,
        None,
        f"It was {state} when it was exported.",
    )
    assert json.loads(run.paths.status.read_text())["newer"] == 1


def test_who_decided_elsewhere_has_not_decided_here(good: Files, runs_root: Path) -> None:
    approved = {**good, "meta.json": b'{"name": "Best", "review": "approved", "reviewer": "Eve", "newer": 1}'}
    made = import_bundle(packed(approved), runs_root, by="Ada")
    assert made.notes == ("Its review was not taken over: review it here.",)
    run = read_run(runs_root, ID)
    assert (run.meta.name, run.meta.review, run.meta.reviewer) == ("Best", "unreviewed", "")
    [change] = [json.loads(line) for line in run.paths.changes.read_text().splitlines()]
    assert (change["by"], change["field"], change["old"], change["new"]) == ("Ada", "review", "approved", "unreviewed")
    annotate(run.paths, "Ada", {"review": "approved"})
    kept = import_bundle(packed(approved, top="b-run"), runs_root, by="Ada", keep_review=True)
    assert kept.notes == () and read_run(runs_root, "b-run").meta.reviewer == "Eve"


def test_another_run_of_that_id_stays_as_it_is(good: Files, runs_root: Path) -> None:
    import_bundle(packed(good), runs_root, by="Ada", name="one.zip")
    annotate(RunPaths(runs_root, ID), "Ada", {"name": "Mine"})
    with pytest.raises(RunError, match="There is a run 'a-run' here already"):
        import_bundle(packed(good), runs_root, by="Bob")
    made = [import_bundle(packed(good), runs_root, by="Bob", rename=True) for _ in range(2)]
    assert [(each.run_id, each.original_id) for each in made] == [("imported-a-run", ID), ("imported-a-run-2", ID)]
    assert read_run(runs_root, ID).name == "Mine"
    origin = json.loads(RunPaths(runs_root, "imported-a-run").imports.read_text())
    assert (origin["run"], origin["by"]) == (ID, "Bob")


def test_nothing_passes_for_a_run_that_is_shipped(good: Files, runs_root: Path) -> None:
    hers = packed(good, top="reference-" + "x" * 54)
    with pytest.raises(RunError, match="shipped with the project"):
        import_bundle(hers, runs_root, by="Eve")
    made = import_bundle(packed(good, top="reference-" + "x" * 54), runs_root, by="Eve", rename=True)
    assert made.run_id == ("imported-reference-" + "x" * 54)[:60]


def test_files_of_newer_versions_are_left_out_and_named(good: Files, runs_root: Path) -> None:
    more = {"weights.bin": b"?", "x.html": b"<script>", "stop.request": b"", "alive.lock": b"", ".tmp-x": b""}
    made = import_bundle(packed({**good, **more, "teachers.json": b"{}"}), runs_root, by="Ada")
    [note] = made.notes
    assert all(name in note for name in ("'weights.bin'", "'x.html'", "'stop.request'", "'alive.lock'"))
    names = {path.name for path in (runs_root / ID).iterdir()}
    assert names == {*good, "teachers.json", "imports.jsonl"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=str)
def test_half_an_import_leaves_nothing(
    error: BaseException, good: Files, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack, count = bundle._unpack, iter(range(100))

    def unpack_some(*arguments: Any) -> None:
        unpack(*arguments)
        if next(count) == 3:
            raise error

    monkeypatch.setattr(bundle, "_unpack", unpack_some)
    with pytest.raises((RunError, KeyboardInterrupt), match=r"^(Can't write .*: No space left on device\.)?$"):
        import_bundle(packed(good), runs_root, by="Ada")
    assert list_runs(runs_root) == [] and leftovers(runs_root) == []


def test_a_bundle_that_is_not_there_is_one_sentence(runs_root: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Can't read 'none\.zip': No such file"):
        import_bundle(tmp_path / "none.zip", runs_root, by="Ada")
    with pytest.raises(RunError, match="Can't read 'runs'"):
        import_bundle(runs_root, runs_root, by="Ada")


def test_the_checkpoint_goes_out_only_when_asked_for(runs_root: Path, demo_root: Path) -> None:
    run = write_run(runs_root, demo_root, "stopped", epochs=2, done=1)
    for checkpoint in (False, True):
        file = io.BytesIO()
        write_zip(run.paths, file, checkpoint=checkpoint)
        assert (f"{run.id}/checkpoint.pt" in zipfile.ZipFile(file).namelist()) is checkpoint
