"""Runs are listed, shown, started and stopped as on the command line."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.runs.history import HistoryWriter, drop_rows_after, read_rows
from core.runs.reader import read_run
from core.team.log import read_activity
from core.team.people import Role
from dashboard.api import runs
from tests.dashboard.api.conftest import Served, answered, refusal
from tests.dashboard_fixtures import FakeRun, write_run
from tests.fake_slurm import use_fake_slurm


def cli(served: Served, *arguments: str) -> Any:
    result = CliRunner().invoke(app, ["runs", *arguments, "--json", "--runs-root", str(served.runs_root)])
    assert result.exception is None
    return json.loads(result.stdout)


def test_a_run_is_what_the_command_line_shows(served: Served) -> None:
    assert answered(served.ask("GET", f"/runs/{served.run.id}", "viewer")) == cli(served, "show", served.run.id)


def test_all_runs_are_listed_by_pages(served: Served) -> None:
    for seed in range(3):
        write_run(served.runs_root, served.data_root, "queued", name=f"page {seed}", author="Bob", seed=seed)
    everything = cli(served, "list")
    found, page = [], 1
    while True:
        part = answered(served.ask("GET", f"/runs?per_page=2&page={page}", "viewer"))
        assert (part["total"], part["pages"]) == (len(everything), -(-len(everything) // 2))
        found += part["runs"]
        page += 1
        if page > part["pages"]:
            break
    assert found == everything
    assert answered(served.ask("GET", f"/runs?page={page}", "viewer"))["runs"] == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("author=Bob&sort=name", ["find 0", "find 1"]),
        ("author=Bob&sort=-name", ["find 1", "find 0"]),
        ("search=seed%3D1+find", ["find 1"]),
        ("state=queued&author=Bob&author=Eve&search=find+seed%3D0", ["find 0"]),
        ("state=running&author=Bob", []),
        ("tag=paper", []),
        ("review=approved", []),
    ],
)
def test_runs_are_filtered_and_sorted(served: Served, query: str, names: list[str]) -> None:
    if not any(run["name"] == "find 0" for run in cli(served, "list")):
        for seed in range(2):
            write_run(served.runs_root, served.data_root, "queued", name=f"find {seed}", author="Bob", seed=seed)
    listed = answered(served.ask("GET", f"/runs?{query}", "viewer"))["runs"]
    assert [run["name"] for run in listed if not run["name"].startswith("page")] == names


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/runs?pages=2", "Unknown parameter 'pages'. Use one of page, per_page"),
        ("/runs?page=0", "page must be a whole number from 1"),
        ("/runs?page=1e3", "(got '1e3')"),
        ("/runs?per_page=201", "from 1 to 200"),
        ("/runs?page=1&page=2", "The parameter page is there 2 times."),
        ("/runs?sort=password", "Can't sort by 'password'."),
        ("/runs?state=done", "(got 'done')"),
        ("/runs?archived=maybe", "archived must be one of true, false"),
        ("/runs/{run}?full=1", "Unknown parameter 'full'. There are none here."),
        ("/runs/{run}/curves?of=status", "of must be one of epochs, steps, system"),
        ("/runs/{run}/curves?offset=-1", "offset must be a whole number"),
        ("/runs/{run}/curves?cursor=12", "cursor must be that of an earlier answer (got '12')."),
        ("/runs/{run}/curves?cursor=-1-0123456789abcdef", "cursor must be that of an earlier answer"),
        ("/runs/{run}/curves?cursor=0-0123456789abcdef&offset=0", "Send cursor or offset, not both."),
    ],
)
def test_wrong_parameters_are_named(served: Served, path: str, said: str) -> None:
    assert said in refusal(served.ask("GET", path.format(run=served.run.id), "viewer"), 422)


@pytest.mark.parametrize("run_id", ["nope", ".api", ".activity", "_corrections", "UPPER", "-x", "a" * 65, "%00"])
@pytest.mark.parametrize("below", ["", "/curves"])
def test_only_runs_are_shown(served: Served, run_id: str, below: str) -> None:
    refusal(served.ask("GET", f"/runs/{run_id}{below}", "admin"), 404)


@pytest.mark.parametrize("of", ["epochs", "steps", "system"])
def test_curves_are_the_rows_of_the_file(served: Served, of: str) -> None:
    rows, end = read_rows(getattr(served.run.paths, of))
    assert rows
    answer = answered(served.ask("GET", f"/runs/{served.run.id}/curves?of={of}", "viewer"))
    assert answer.pop("cursor").startswith(f"{end}-")
    assert answer == {"of": of, "offset": 0, "next": end, "rows": rows}


@pytest.fixture
def followed(served: Served, monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    """A run with two epochs and more steps than an answer has."""
    monkeypatch.setattr(runs, "MOST_CURVE_BYTES", 5_000)
    return write_run(served.runs_root, served.data_root, "stopped", done=2)


def steps_of(served: Served, run: FakeRun, **place: Any) -> Any:
    """An answer about the steps of a run."""
    query = urlencode({"of": "steps", **place})
    return answered(served.ask("GET", f"/runs/{run.id}/curves?{query}", "viewer"))


@pytest.mark.parametrize(("sent", "got"), [("cursor", "cursor"), ("offset", "next")])
def test_a_program_gets_only_what_has_come_since(served: Served, followed: FakeRun, sent: str, got: str) -> None:
    """With the cursor, and as programs do that know offsets only."""
    path = followed.paths.steps
    answer = steps_of(served, followed)
    rows: list[Any] = answer["rows"]
    while answer["next"] > answer["offset"]:
        answer = steps_of(served, followed, **{sent: answer[got]})
        rows += answer["rows"]
    assert rows == read_rows(path)[0] and answer["next"] == path.stat().st_size
    with path.open("ab") as file:
        file.write(b'{"step": 7, "loss": NaN}\n{"step": 8')
    answer = steps_of(served, followed, **{sent: answer[got]})
    assert answer["rows"] == [{"step": 7, "loss": None}]

    drop_rows_after(path, "step", 1)
    anew = steps_of(served, followed, **{sent: answer[got]})
    assert (anew["offset"], [row["step"] for row in anew["rows"]]) == (0, [1])


def test_a_program_misses_no_row_that_a_resume_has_replaced(served: Served, followed: FakeRun) -> None:
    path = followed.paths.steps
    answer = steps_of(served, followed)
    seen, before = len(answer["rows"]), read_rows(path)[0]
    drop_rows_after(path, "step", before[seen // 2]["step"])
    with HistoryWriter(path) as history:
        history.append({**row, "elapsed_s": row["elapsed_s"] + 60} for row in [*before[seen // 2 + 1 :], *before])
    assert path.stat().st_size > answer["next"]
    anew = steps_of(served, followed, cursor=answer["cursor"])
    assert anew["offset"] == 0
    assert anew["rows"] == read_rows(path)[0][: len(anew["rows"])]


def test_a_row_longer_than_an_answer_comes_alone(served: Served, followed: FakeRun) -> None:
    path = followed.paths.steps
    long = {"step": 1, "text": "x" * 6_000}
    path.write_text(json.dumps(long) + '\n{"step": 2}\n')
    first = steps_of(served, followed)
    assert first["rows"] == [long]
    assert steps_of(served, followed, offset=first["next"])["rows"] == [{"step": 2}]


def test_a_run_is_started_in_the_name_of_the_owner_and_stopped_by_them_alone(served: Served) -> None:
    wanted = {"preset": "quick", "settings": {"dataset": "demo", "epochs": 3}, "name": "by a program"}
    answer = served.start("member", wanted)
    value = answered(answer)
    assert answer.status == 201 and answer.headers["location"] == f"/api/runs/{value['id']}"
    run = read_run(served.runs_root, value["id"])
    assert (run.name, run.meta.author, run.config and run.config.epochs) == ("by a program", "the member", 3)
    assert value == {key: each for key, each in cli(served, "show", run.id).items() if key != "reproduction"}

    other = served.make_token(Role.MEMBER, "somebody else")
    assert "somebody else has started" in refusal(served.ask("POST", f"/runs/{run.id}/stop", other, b""), 403)
    stopped = served.ask("POST", f"/runs/{run.id}/stop", "member", b"")
    assert (stopped.status, answered(stopped)["state"]) == (202, "stopped")
    assert served.ask("POST", f"/runs/{run.id}/stop", "member", b"").status == 202  # too late is harmless
    acts = [(entry.who, entry.action, entry.outcome) for entry in read_activity([served.runs_root])]
    assert ("the member", "start", "allowed") in acts and ("somebody else", "stop", "refused") in acts


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not valid JSON"),
        (b"[" * 60_000, "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "The body must be a JSON object."),
        (b'{"preset": "quick", "settings": {"dataset": "demo"}, "launcher": "pbs"}', "Unknown launcher 'pbs'."),
        (b'{"launcher": 1}', "launcher must be text."),
        (b'{"presets": "quick"}', "Unknown field 'presets'. Use one of preset, settings, name, launcher."),
        (b'{"preset": ["quick"]}', "preset must be text."),
        (b'{"preset": "quickest"}', "Unknown preset 'quickest'."),
        (b'{"settings": {"epochs": [1]}}', "settings must be an object of setting to number"),
        (b'{"settings": {"epochs": -1}}', "Epochs must be greater than or equal to 1 (got -1)."),
        (b'{"settings": {"epoch": 1}}', "Unknown setting 'epoch'."),
        (b'{"settings": {"learning_rate": NaN}}', "Learning rate must be a finite number"),
        (b'{"settings": {"dataset": "nope"}}', "nope"),
        (b'{"settings": {"dataset": "../../etc"}}', "1\u201364 characters"),
        (b'{"settings": {"dataset": "demo"}, "name": "' + b"x" * 200 + b'"}', "The name is too long"),
        (b'{"settings": {"\\ud800": 1}}', "not valid JSON"),
    ],
    ids=str.split(
        "torn deep bytes list launcher launcher-type field preset-list preset nested range setting nan dataset path "
        "name half"
    ),
)
def test_what_cannot_be_started_is_refused_in_a_sentence(served: Served, body: bytes, said: str) -> None:
    before = {path.name for path in served.runs_root.iterdir()}
    answer = served.ask("POST", "/runs", "member", body, Content_Type="application/json")
    assert said in refusal(answer, 422)
    assert {path.name for path in served.runs_root.iterdir()} == before


def test_a_run_is_handed_over_to_the_cluster_that_is_asked_for(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = use_fake_slurm(tmp_path, monkeypatch)
    slurm.says("sbatch", "12\n")
    wanted = {"preset": "quick", "settings": {"dataset": "demo"}, "launcher": "slurm"}
    status = answered(served.start("member", wanted))["status"]
    assert (status["state"], status["launcher"], status["job"]) == ("queued", "slurm", "12")
    slurm.says("sbatch", stderr="sbatch: error: Batch job submission failed: It is full\n", code=1)
    before = {path.name for path in served.runs_root.iterdir()}
    said = "Slurm refused: It is full. Check the settings in site.toml."
    body = json.dumps(wanted).encode()
    assert refusal(served.ask("POST", "/runs", "member", body, Content_Type="application/json"), 422) == said
    assert {path.name for path in served.runs_root.iterdir()} == before
