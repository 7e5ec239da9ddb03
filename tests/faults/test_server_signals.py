"""A real Streamlit server that started a training is killed in every way; the training goes on, and the next server
shows it."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin

from core.bench.server import start_server
from core.jobs import control
from core.runs.create import create_run
from core.runs.history import read_rows
from core.runs.paths import RunPaths
from core.runs.reader import read_run
from core.runs.records import RunState
from tests.conftest import as_in_a_terminal, wait_for
from tests.core.conftest import ENDLESS

SIGNALS = [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL]


@contextmanager
def server(runs_root: Path, data_root: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`streamlit run` in a session of its own, as a terminal gives it; and its port."""
    port, process = start_server(runs_root, data_root, start_new_session=True, preexec_fn=as_in_a_terminal)
    try:
        wait_for(lambda: is_up(port), 180, "the server")
        yield process, port
    finally:
        process.kill()
        process.wait()


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def page_shows(port: int, awaited: bytes) -> bool:
    """Open the Overview as a browser does; whether these bytes come in before its script ends."""
    begin = BackMsg()
    begin.rerun_script.query_string = ""
    # No limit of unread messages: over it the client would stop listening, to the closing of the connection, too.
    place = f"127.0.0.1:{port}"
    options = {"origin": Origin(f"http://{place}"), "max_size": None, "max_queue": None}
    with connect(f"ws://{place}/_stcore/stream", **options) as connection:
        connection.send(begin.SerializeToString())
        while True:
            message = connection.recv(timeout=60)
            assert isinstance(message, bytes)
            if awaited in message:
                return True
            said = ForwardMsg.FromString(message)
            if said.WhichOneof("type") == "script_finished" and said.script_finished != said.FINISHED_EARLY_FOR_RERUN:
                return False


def test_training_outlives_every_end_of_the_server(runs_root: Path, demo_root: Path) -> None:
    paths: RunPaths = create_run(runs_root, ENDLESS, name="outlives the server")

    def steps() -> int:
        return len(read_rows(paths.steps)[0])

    pids = set()
    for number in SIGNALS:
        with server(runs_root, demo_root) as (process, port):
            # The first server finds a waiting run without a runner, and starts one; the others only look on.
            assert page_shows(port, b"outlives the server"), "the page attaches again"
            wait_for(lambda: steps() > 0, 90, "the first step")
            os.killpg(process.pid, number)  # the whole group, as Ctrl-C and a closed terminal do
            process.wait(30)
        seen = steps()
        wait_for(lambda seen=seen: steps() > seen, 30, f"training going on after {number.name}")
        run = read_run(runs_root, paths.run_id)
        assert run.state is RunState.RUNNING
        pids.add(run.status.pid)
    assert len(pids) == 1, "one process from beginning to end"
    control.stop_now(runs_root, paths.run_id)
