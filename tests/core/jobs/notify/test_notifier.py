"""Who is told what, once; with fake runs, and with a real runner whose workers are killed and frozen."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from core.config import TrainConfig
from core.files import lock_is_held, process_lock
from core.jobs import slots
from core.jobs.control import spawn_module
from core.jobs.notify.notifier import Notifier
from core.jobs.notify.people import save_addresses
from core.jobs.notify.record import read_notices
from core.runs.create import create_run, write_status
from core.runs.paths import PeoplePaths, QueuePaths, RunPaths
from core.runs.reader import read_run, read_status
from core.runs.records import RunState
from tests.conftest import wait_for
from tests.core.conftest import processes, wait_for_end, wait_for_state, wait_until_runner_left
from tests.core.jobs.notify.conftest import Configure
from tests.dashboard_fixtures import end_run, write_run
from tests.faults.test_kill_storm import TINY_WORKER
from tests.listeners import HANG, Webhook, smtp_server, webhook_server

Told = Callable[[], None]


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook_server() as opened:
        yield opened


@pytest.fixture
def tell(runs_root: Path) -> Told:
    """Let a runner that is about to leave tell what there is to tell: each call is another runner."""

    def a_runner(pauses: tuple[float, ...] = (0.0,)) -> None:
        notifier = Notifier(runs_root, pauses=pauses)
        notifier.start()
        notifier.finish(lambda: False)

    return a_runner


def begin(runs_root: Path, *, ago: timedelta = timedelta(hours=3)) -> None:
    """Messages have been asked for since then."""
    queue = QueuePaths(runs_root)
    queue.folder.mkdir(exist_ok=True)
    queue.notifications.write_text(json.dumps({"since": (datetime.now(UTC) - ago).isoformat()}))


def to_hook(hook: Webhook, more: str = "") -> str:
    events = 'events = ["finished", "failed", "crashed", "stalled", "stopped"]'
    return f'webhook = "{hook.url}"\naddress = "https://fer.example.org"\n{events}\n{more}'


def test_each_change_is_told_once_whoever_looks(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    configure(to_hook(hook))
    begin(runs_root)
    states = ["finished", "failed", "crashed", "stalled", "stopped"]
    runs = {state: write_run(runs_root, demo_root, state, name=f"run {state}", epochs=1, done=0) for state in states}
    write_run(runs_root, demo_root, "queued", epochs=1)
    for _ in range(3):
        tell()
    assert sorted(text.split("\n")[0].split(".")[0].split(",")[0] for text in hook.texts) == sorted(
        f"run {state}: {state}" for state in states
    )
    assert all(f"/run?run={run.id}" in "\n".join(hook.texts) for run in runs.values())
    recorded = read_notices(runs["failed"].paths)
    assert [(each.event, each.to["server webhook"].state) for each in recorded.changes] == [("failed", "sent")]
    assert "secret" not in runs["failed"].paths.notifications.read_text()

    # Resumed, it fails again: that is another change. So is a stall after it had moved.
    status = read_status(runs["failed"].paths)
    again = datetime.now(UTC)
    write_status(runs["failed"].paths, status.model_copy(update={"queued_at": again, "ended_at": again}))
    tell()
    assert len(hook.texts) == len(states) + 1
    runs["stalled"].close()


def test_the_queue_is_told_to_be_empty_once_after_each_run(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    configure(f'webhook = "{hook.url}"\nevents = ["queue empty"]')
    begin(runs_root)
    run = write_run(runs_root, demo_root, "running", epochs=1, done=0)
    tell()
    assert hook.texts == []
    end_run(run, "stopped")
    tell()
    tell()
    assert hook.texts == ["The queue is empty: no run is queued or training."]
    write_run(runs_root, demo_root, "finished", epochs=1, age=timedelta(minutes=10))
    tell()
    assert len(hook.texts) == 2


def test_what_ended_long_ago_or_before_anybody_asked_is_not_told(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    configure(to_hook(hook))
    before = write_run(runs_root, demo_root, "failed", epochs=1, done=0)
    tell()
    assert hook.texts == [] and read_notices(QueuePaths(runs_root)).since
    assert not before.paths.notifications.exists()
    begin(runs_root, ago=timedelta(days=30))
    # not "old": the id of a run may have it, in the word "bold"
    write_run(runs_root, demo_root, "failed", name="of two days ago", epochs=1, done=0, age=timedelta(days=2))
    write_run(runs_root, demo_root, "failed", name="while no runner was up", epochs=1, done=0, age=timedelta(hours=20))
    tell()
    told = "\n".join(hook.texts)
    assert ["of two days ago" in told, "while no runner was up" in told] == [False, True]


def test_people_are_told_about_their_own_runs(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    begin(runs_root)
    with smtp_server() as box:
        email = f'[email]\nhost = "localhost"\nport = {box.port}\nsecurity = "none"\nsender = "fer@example.org"'
        configure(f"local_webhooks = true\n{email}")
        save_addresses(PeoplePaths(runs_root), "Ada", webhook=hook.url, email="ada@example.org")
        for author in ("Ada", "Ben", ""):
            write_run(runs_root, demo_root, "failed", name=f"of {author}", author=author, epochs=1, done=0)
        tell()
    assert len(hook.texts) == 1 and hook.texts[0].startswith("of Ada: failed.")
    assert len(box.mails) == 1 and "To: ada@example.org" in box.mails[0]


def test_with_a_login_a_run_is_its_email_addresss_whatever_the_name(
    runs_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    """Names are chosen freely: whoever calls themselves Ada is not told about Ada's runs."""
    begin(runs_root)
    configure("local_webhooks = true")
    save_addresses(PeoplePaths(runs_root), "Ada", webhook=hook.url)
    save_addresses(PeoplePaths(runs_root), "ada@example.org", webhook=f"{hook.url}?to=ada")
    paths = create_run(runs_root, TrainConfig(), author="Ada", started_by="ada@example.org")
    ended = {"state": "stopped", "ended_at": datetime.now(UTC)}
    write_status(paths, read_status(paths).model_copy(update=ended))
    tell()
    assert hook.paths == ["/hook/secret?to=ada"]


def test_an_imported_run_is_told_only_if_it_ends_here(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    configure(to_hook(hook))
    begin(runs_root)
    run = write_run(runs_root, demo_root, "failed", epochs=1, done=0)
    run.paths.imports.touch()
    tell()
    assert hook.bodies == []
    now = datetime.now(UTC)
    write_status(run.paths, read_status(run.paths).model_copy(update={"queued_at": now, "ended_at": now}))
    os.utime(run.paths.imports, (0, 0))  # not in the same tick of the clock
    tell()
    assert len(hook.bodies) == 1


def test_without_settings_and_people_nothing_is_written(runs_root: Path, demo_root: Path, tell: Told) -> None:
    run = write_run(runs_root, demo_root, "failed", epochs=1, done=0)
    tell()
    assert not run.paths.notifications.exists()
    assert not QueuePaths(runs_root).notifications.exists()
    assert not QueuePaths(runs_root).notify_lock.exists()


def test_an_address_that_is_the_servers_and_a_persons_gets_one_message(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    configure(to_hook(hook, "local_webhooks = true"))
    begin(runs_root)
    save_addresses(PeoplePaths(runs_root), "Ada", webhook=hook.url)
    write_run(runs_root, demo_root, "failed", author="Ada", epochs=1, done=0)
    tell()
    assert len(hook.texts) == 1


def test_what_waits_is_sent_by_the_next_runner_and_what_was_cut_off_is_not(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    """Of a message that was being sent when its runner was killed, nobody knows whether it arrived."""
    configure(to_hook(hook))
    begin(runs_root)
    run = write_run(runs_root, demo_root, "failed", epochs=1, done=0)
    hook.answers = [500, 500]
    tell()
    [notice] = read_notices(run.paths).changes
    assert (notice.to["server webhook"].state, notice.to["server webhook"].attempts) == ("failed", 2)
    for state, came in (("waiting", 3), ("sending", 3)):
        content = json.loads(run.paths.notifications.read_text())
        content["changes"][0]["to"]["server webhook"] = {"state": state, "attempts": 1}
        run.paths.notifications.write_text(json.dumps(content))
        tell()
        assert len(hook.bodies) == came


def test_a_runner_in_a_hurry_leaves_what_waits_to_the_next(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told
) -> None:
    configure(to_hook(hook))
    begin(runs_root)
    run = write_run(runs_root, demo_root, "failed", epochs=1, done=0)
    hook.answers = [500]
    notifier = Notifier(runs_root, pauses=(600.0,))
    notifier.start()
    wait_for(lambda: run.paths.notifications.exists() and "status 500" in run.paths.notifications.read_text())
    notifier.finish(lambda: True)
    assert not lock_is_held(QueuePaths(runs_root).notify_lock)
    tell()
    assert len(hook.bodies) == 2
    assert read_notices(run.paths).changes[0].to["server webhook"].state == "sent"


def test_two_runners_of_one_folder_do_not_both_tell(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure
) -> None:
    configure(to_hook(hook))
    begin(runs_root)
    write_run(runs_root, demo_root, "failed", epochs=1, done=0)
    with process_lock(QueuePaths(runs_root).notify_lock):
        assert not Notifier(runs_root).look()
    assert hook.bodies == []


def test_one_bad_folder_and_bad_settings_keep_nobody_else_waiting(
    runs_root: Path, demo_root: Path, hook: Webhook, configure: Configure, tell: Told, caplog: pytest.LogCaptureFixture
) -> None:
    begin(runs_root)
    bad = write_run(runs_root, demo_root, "failed", name="bad", epochs=1, done=0)
    bad.paths.notifications.write_text("{")
    write_run(runs_root, demo_root, "failed", name="good", epochs=1, done=0)
    configure('webhook = "s3cret"')
    tell()
    assert "No messages are sent: Can't use notifications.toml: webhook:" in caplog.text
    configure(to_hook(hook))
    tell()
    assert [text.split(":")[0] for text in hook.texts] == ["good"]
    assert "notifications.json is corrupt" in caplog.text and "s3cret" not in caplog.text
    assert bad.paths.notifications.read_text() == "{"


def test_a_real_runner_tells_what_happens_to_its_workers_once(
    runs_root: Path, hook: Webhook, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished, failed, killed and frozen, with a webhook that hangs beside the one that is looked at."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("FER_CPU_SLOTS", "4")
    slots.gpu_slots.cache_clear()
    with webhook_server(*[HANG] * 9) as hanging:
        configure(to_hook(hook, "local_webhooks = true"))
        save_addresses(PeoplePaths(runs_root), "Ada", webhook=hanging.url)
        paths = {
            name: create_run(runs_root, TrainConfig(), run_id=name, author="Ada")
            for name in ("killed", "frozen", "broken", "done")
        }
        paths["broken"].config.write_text("{")
        roots = ["--runs-root", str(runs_root), "--data-root", str(runs_root), "--worker", TINY_WORKER]
        log = QueuePaths(runs_root).runner_log
        spawn_module(["core.jobs.runner", *roots], log, {"FER_TINY_STEPS": "150"})
        worker_of(paths["killed"]).kill()
        frozen = worker_of(paths["frozen"])
        frozen.send_signal(signal.SIGSTOP)
        wait_for(lambda: frozen.status() == psutil.STATUS_STOPPED, 20, "standing still")  # not in the middle of a write
        moved = read_status(paths["frozen"])
        long_ago = {"heartbeat": (moved.heartbeat or 0) - 1000}
        write_status(paths["frozen"], moved.model_copy(update=long_ago))
        assert wait_for_end(runs_root, "done").state is RunState.FINISHED
        assert read_run(runs_root, "broken").state is RunState.FAILED
        wait_for(lambda: len(hook.texts) == 4, 30, "four messages")
        frozen.send_signal(signal.SIGCONT)
        wait_for_state(runs_root, "frozen", RunState.FINISHED)
        wait_for(lambda: len(hook.texts) == 5, 30, "the fifth message")
        wait_until_runner_left(runs_root)  # although a webhook hangs
        assert sorted(text.split("\n")[0].split(".")[0].split(" (")[0] for text in hook.texts) == [
            "broken: failed",
            "done: finished",
            "frozen: finished",
            "frozen: stalled",
            "killed: crashed",
        ]
        assert hanging.bodies, "it was asked"
        assert "secret" not in log.read_text()


def worker_of(paths: RunPaths) -> psutil.Process:
    """The worker of a run, once it has taken it and moved on."""
    wait_for(lambda: read_status(paths).activity == "training", 60, f"{paths.run_id} training")
    [found] = [
        each for each in processes(paths.root, "tests.faults.tiny_worker") if str(paths.folder) in each.cmdline()
    ]
    return found
