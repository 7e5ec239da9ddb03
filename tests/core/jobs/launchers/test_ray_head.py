"""The head of a Ray cluster: who is let in, what is asked and how often; with a stand-in for Ray."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from core.errors import RunError
from core.jobs.launchers.ray_head import RayHead, read_token
from tests.conftest import PROJECT_ROOT
from tests.ray_stand_in import StandInCluster, install

ADDRESS = "http://head.example:8265"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandInCluster:
    """A cluster whose token is here, too."""
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    made = StandInCluster()
    install(monkeypatch, made)
    return made


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ray_is_imported_by_nobody_but_when_a_cluster_is_asked() -> None:
    found = [
        (path.name, indent)
        for top in ("core", "dashboard")
        for path in (PROJECT_ROOT / top).rglob("*.py")
        for indent in re.findall(r"^([ \t]*)(?:import|from) ray\b", path.read_text(), re.MULTILINE)
    ]
    assert {name for name, _ in found} == {"ray_head.py"}
    assert all(indent for _, indent in found), "inside functions"


def test_a_cluster_that_wants_our_token_and_no_other_may_be_used(cluster: StandInCluster) -> None:
    RayHead(ADDRESS).check()
    assert ("GET", "(no token)") in cluster.asked


def refusal(head: RayHead, *parts: str) -> str:
    """Why the head may not be used: one sentence or two that hold these parts."""
    with pytest.raises(RunError) as caught:
        head.check()
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message and message.endswith((".", "?")) and len(message) < 400
    assert head.trouble() == message
    return message


def test_without_ray_its_list_of_packages_is_named(cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    assert refusal(RayHead(ADDRESS)) == "Ray isn't installed: pip install -r requirements-ray.txt."
    assert cluster.asked == []


def test_half_of_ray_is_no_ray(cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    refusal(RayHead(ADDRESS), "Ray is not all there", "requirements-ray.txt")


ADDRESSES = ["", "auto", "head:8265", "ray://head:10001", "http://", "http://user:secret@head:8265", "http://head:x"]


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address or "none")
def test_an_address_that_is_none_is_refused(address: str, cluster: StandInCluster) -> None:
    assert "secret" not in refusal(RayHead(address), "address")
    assert cluster.asked == []


def test_ray_s_own_variables_say_which_cluster_is_meant(
    cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = RayHead(ADDRESS + "/")
    assert head.address == ADDRESS
    monkeypatch.setenv("RAY_ADDRESS", "http://other:8265")
    assert head.address == "http://other:8265"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://third:8265/")
    assert head.address == "http://third:8265"


@pytest.mark.parametrize("mode", [None, "", "disabled"], ids=["unset", "empty", "disabled"])
def test_without_the_mode_nothing_is_asked(
    mode: str | None, cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE")
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    refusal(RayHead(ADDRESS), "Ray needs a token", "RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN")
    with pytest.raises(RunError, match="Ray needs a token"):
        RayHead(ADDRESS).jobs()
    assert cluster.asked == []


def test_without_a_token_nothing_is_asked(
    cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    refusal(RayHead(ADDRESS), "Ray needs a token", "RAY_AUTH_TOKEN", str(tmp_path / ".ray" / "auth_token"))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "nowhere"))
    refusal(RayHead(ADDRESS), "Ray needs a token", str(tmp_path / "nowhere"), "No such file")
    for text in ("", "\n", "two words", "z\u00fcrich", "null\0byte"):
        (tmp_path / "nowhere").write_text(text)
        refusal(RayHead(ADDRESS), "token must be one word")
    assert cluster.asked == []


def test_the_token_is_where_ray_has_it(
    cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("from-home\n")
    (tmp_path / "file").write_text("from-file\n")
    assert read_token() == "right"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    assert read_token() == "from-home"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "file"))
    assert read_token() == "from-file"


def test_a_cluster_that_is_open_to_everybody_is_refused(cluster: StandInCluster) -> None:
    cluster.token = None
    refusal(RayHead(ADDRESS), ADDRESS, "anybody", "RAY_AUTH_MODE=token")
    assert set(cluster.asked) == {("GET", "(no token)")}, "it got no token"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_no_head_of_a_cluster_is_refused(status: int, cluster: StandInCluster) -> None:
    cluster.status = status
    refusal(RayHead(ADDRESS), ADDRESS, str(status))


def test_another_token_is_refused_and_a_new_one_used(cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    head = RayHead(ADDRESS)
    head.check()
    cluster.token = "new"
    with pytest.raises(RunError, match="refuses this token"):
        head.check()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "new")
    head.check()


TROUBLES: list[tuple[Exception, str]] = [
    (requests.ConnectionError("refused"), "doesn't answer"),
    (requests.ReadTimeout("slow"), "doesn't answer"),
    (ConnectionError("Failed to connect to Ray at address: X."), "doesn't answer"),
    (RuntimeError("Request failed with status code 500: Traceback\n  File\nKeyError: 'x'\n."), "refuses"),
    (requests.JSONDecodeError("no JSON", "", 0), "refuses: no JSON"),
    (KeyError("ray_version"), "refuses: 'ray_version'"),
    (RuntimeError(), "refuses: RuntimeError"),
]


@pytest.mark.parametrize(("trouble", "words"), TROUBLES, ids=[type(each).__name__ + words for each, words in TROUBLES])
def test_whatever_goes_wrong_is_a_sentence(trouble: Exception, words: str, cluster: StandInCluster) -> None:
    cluster.trouble = trouble
    refusal(RayHead(ADDRESS), ADDRESS, words)
    head = RayHead(ADDRESS)
    with pytest.raises(RunError, match=words):
        head.recent_jobs({"calm-river"})


def test_trouble_is_looked_for_once_in_a_while(cluster: StandInCluster) -> None:
    clock = Clock()
    head = RayHead(ADDRESS, clock)
    cluster.token = "other"
    assert "refuses this token" in str(head.trouble())
    cluster.token = "right"
    clock.now += 4
    assert "refuses this token" in str(head.trouble())
    clock.now += 1
    assert head.trouble() is None
    asked = len(cluster.asked)
    clock.now += 59
    assert head.trouble() is None
    assert len(cluster.asked) == asked
    cluster.token = "other"
    clock.now += 1
    assert "refuses this token" in str(head.trouble())


def test_trouble_is_looked_for_at_once_where_another_cluster_is_named(
    cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = RayHead("", Clock())
    assert "No Ray cluster is named" in str(head.trouble())
    monkeypatch.setenv("RAY_ADDRESS", ADDRESS)
    assert head.trouble() is None


def test_one_list_serves_all_runs_of_a_look_and_all_looks_of_two_seconds(cluster: StandInCluster) -> None:
    clock = Clock()
    head = RayHead(ADDRESS, clock)
    names = [f"run-{number}" for number in range(100)]
    for name in names:
        cluster.add(f"{name}.1", "RUNNING")
    assert head.recent_jobs(set(names)).keys() == set(names)
    clock.now += 1.9
    head.recent_jobs({"run-7"})
    assert cluster.listings() == 1
    clock.now += 0.2
    head.recent_jobs({"run-7"})
    assert cluster.listings() == 2


def test_that_a_run_has_no_job_is_never_believed_from_an_old_list(cluster: StandInCluster) -> None:
    clock = Clock()
    head = RayHead(ADDRESS, clock)
    cluster.add("old.1", "FAILED")
    assert head.recent_jobs({"old"})["old"][1].status == "FAILED"
    clock.now += 0.1
    cluster.add("old.2", "PENDING")  # resumed by another process
    assert head.recent_jobs({"old"})["old"].keys() == {1, 2}
    clock.now += 0.1
    assert "new" not in head.recent_jobs({"new"})
    assert cluster.listings() == 3


def test_a_head_that_did_not_answer_is_left_alone_for_a_while(cluster: StandInCluster) -> None:
    clock = Clock()
    head = RayHead(ADDRESS, clock)
    cluster.add("calm-river.1", "RUNNING")
    cluster.trouble = requests.ConnectTimeout()
    asked: list[int] = []
    for seconds in (0, 7, 7.9):
        clock.now += seconds
        with pytest.raises(RunError, match="doesn't answer"):
            head.recent_jobs({"calm-river"})
        asked.append(len(cluster.asked))
    assert asked == [1, 1, 1]
    cluster.trouble = None
    clock.now += 0.2
    assert "calm-river" in head.recent_jobs({"calm-river"}), "it is back"


def test_only_jobs_of_runs_are_read(cluster: StandInCluster) -> None:
    others = [None, "raysubmit_4LamXRuQpYdSMg7J", "no-number.", ".1", "x.y", "x.\u0663"]
    for name in (*others, "calm-river.1", "calm-river.12"):
        cluster.add(name, "RUNNING")
    jobs = RayHead(ADDRESS).jobs()
    assert {run_id: set(attempts) for run_id, attempts in jobs.items()} == {"calm-river": {1, 12}}


ASKS: list[Callable[[RayHead], object]] = [RayHead.check, RayHead.jobs, lambda head: head.recent_jobs({"calm-river"})]


@pytest.mark.parametrize("ask", ASKS, ids=["check", "jobs", "recent_jobs"])
def test_no_message_holds_the_token(
    ask: Callable[[RayHead], object], cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "canary-7f3a")
    with pytest.raises(RunError) as caught:
        ask(RayHead(ADDRESS))
    assert "canary" not in repr(caught.value)
