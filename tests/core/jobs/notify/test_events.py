"""Which change a state stands for, and how it is told."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.config import TrainConfig
from core.jobs.notify.events import (
    MESSAGE_LENGTH,
    Event,
    Message,
    change_of,
    ended_elsewhere,
    message_about,
    message_about_queue,
    plain,
    queue_change,
)
from core.runs.create import create_run
from core.runs.reader import list_runs, read_run
from tests.dashboard_fixtures import write_run


@pytest.mark.parametrize("state", ["finished", "failed", "stopped", "crashed"])
def test_a_run_that_ended_is_a_change_once_for_each_time_in_the_queue(
    runs_root: Path, demo_root: Path, state: str
) -> None:
    run = write_run(runs_root, demo_root, state, epochs=1, done=0)
    first = change_of(read_run(runs_root, run.id))
    assert first and first.event == state
    assert change_of(read_run(runs_root, run.id)) == first
    status = json.loads(run.paths.status.read_text())
    run.paths.status.write_text(json.dumps({**status, "queued_at": "2026-01-01T00:00:00Z"}))
    second = change_of(read_run(runs_root, run.id))
    assert second and second.of != first.of


def test_a_stall_is_another_one_if_the_run_moved_meanwhile(runs_root: Path, demo_root: Path) -> None:
    run = write_run(runs_root, demo_root, "stalled", epochs=1, done=0)
    first = change_of(read_run(runs_root, run.id))
    assert first and first.event is Event.STALLED
    status = json.loads(run.paths.status.read_text())
    run.paths.status.write_text(json.dumps({**status, "heartbeat": status["heartbeat"] + 1}))
    second = change_of(read_run(runs_root, run.id))
    assert second and second.of != first.of
    run.close()


def test_a_lost_run_is_another_change_if_it_was_heard_of_meanwhile(runs_root: Path, demo_root: Path) -> None:
    run = write_run(runs_root, demo_root, "lost", epochs=1, done=0)
    first = change_of(read_run(runs_root, run.id))
    assert first and first.event is Event.LOST
    assert change_of(read_run(runs_root, run.id)).of == first.of  # type: ignore[union-attr]
    status = json.loads(run.paths.status.read_text())
    run.paths.status.write_text(json.dumps({**status, "lease_sequence": 9}))
    second = change_of(read_run(runs_root, run.id))
    assert second and second.of != first.of
    assert queue_change(list_runs(runs_root)), "nobody knows that it trains"


@pytest.mark.parametrize("state", ["queued", "running", "damaged"])
def test_other_states_are_none(runs_root: Path, demo_root: Path, state: str) -> None:
    run = write_run(runs_root, demo_root, state, epochs=1, done=0)
    assert change_of(read_run(runs_root, run.id)) is None
    run.close()


def test_the_queue_is_empty_when_no_run_waits_or_trains(runs_root: Path, demo_root: Path) -> None:
    assert queue_change(list_runs(runs_root)) is None, "it never had one"
    write_run(runs_root, demo_root, "finished", epochs=1)
    found = queue_change(list_runs(runs_root))
    assert found and found.event is Event.QUEUE_EMPTY
    running = write_run(runs_root, demo_root, "running", epochs=2, done=0)
    assert queue_change(list_runs(runs_root)) is None
    running.close()
    later = queue_change(list_runs(runs_root))
    assert later and later.of != found.of


@pytest.mark.parametrize("queued_at", ["2020-01-01T00:00:00Z", "2200-01-01T00:00:00Z"])
def test_an_imported_run_was_in_no_queue_here_until_it_is_resumed(
    runs_root: Path, demo_root: Path, queued_at: str
) -> None:
    """Whatever times its files bring."""
    run = write_run(runs_root, demo_root, "finished", epochs=1)
    brought = json.loads(run.paths.status.read_text()) | {"queued_at": queued_at, "ended_at": queued_at}
    run.paths.status.write_text(json.dumps(brought))
    run.paths.imports.touch()
    assert queue_change(list_runs(runs_root)) is None and ended_elsewhere(read_run(runs_root, run.id))
    ours = write_run(runs_root, demo_root, "finished", epochs=1)
    found = queue_change(list_runs(runs_root))
    assert found and found.of == read_run(runs_root, ours.id).status.queued_at.isoformat()  # type: ignore[union-attr]
    now = datetime.now(UTC)
    run.paths.status.write_text(json.dumps(brought | {"queued_at": now.isoformat(), "ended_at": now.isoformat()}))
    os.utime(run.paths.imports, (0, 0))  # not in the same tick of the clock
    found = queue_change(list_runs(runs_root))
    assert found and found.of == now.isoformat() and not ended_elsewhere(read_run(runs_root, run.id))


def test_a_message_says_what_happened_and_links_to_the_run(runs_root: Path, demo_root: Path) -> None:
    run = write_run(runs_root, demo_root, "finished", name="first try", author="Ada", epochs=1)
    message = message_about(read_run(runs_root, run.id), "https://fer.example.org/faces")
    said, link = message.text.split("\n")
    assert said.startswith("first try: finished, ") and said.endswith(" pp val. accuracy (Ada)")
    assert link == f"https://fer.example.org/faces/run?run={run.id}"
    assert message.subject == f"[FER] {said}"
    assert "\n" not in message_about(read_run(runs_root, run.id), "").text
    assert message_about_queue("").text == "The queue is empty: no run is queued or training."


HOSTILE = "<!channel> @everyone <https://evil.test|our wiki> [x](https://evil.test) `a` *b* &lt; \x1b[31m\nBcc: x"


def test_what_people_type_means_nothing_to_a_chat_service(runs_root: Path) -> None:
    said = plain(HOSTILE)
    assert not set("<>@&`*[]\n\x1b") & set(said)
    paths = create_run(runs_root, TrainConfig(), name=HOSTILE[:100], author=HOSTILE[:50])
    status = json.loads(paths.status.read_text())
    paths.status.write_text(json.dumps({**status, "state": "failed", "error": HOSTILE * 30}))
    message: Message = message_about(read_run(runs_root, paths.run_id), "")
    assert not set("<>@&`*[\n") & set(message.text)
    assert len(message.text) <= MESSAGE_LENGTH
    assert len(message.subject) < 200 and "\n" not in message.subject
