"""What goes on in the background of the server."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import DataError
from core.jobs import control
from dashboard.state import background, cache
from dashboard.state.background import Importer, Snapshot
from tests.conftest import wait_for


def test_one_import_at_a_time() -> None:
    importer = Importer()

    def fail(progress: Callable[[int, int], None]) -> None:
        progress(1, 4)
        wait_for(lambda: False, seconds=0.3)

    importer.start(fail)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="Another import is in progress"):
        importer.start(fail)  # type: ignore[arg-type]
    wait_for(lambda: not importer.look().running, what="the import")
    assert "See the server log" in importer.look().error


def test_an_import_keeps_its_owner_until_it_is_forgotten() -> None:
    importer, seen = Importer(), []

    def refuse(progress: Callable[[int, int], None]) -> NoReturn:
        progress(1, 4)
        seen.append(importer.look().owner)
        raise DataError("Not today.")

    importer.start(refuse, owner="Ada's browser")
    wait_for(lambda: not importer.look().running, what="the import")
    assert (seen, importer.look().owner, importer.look().error) == (["Ada's browser"], "Ada's browser", "Not today.")
    importer.forget()
    assert importer.look() == Snapshot()


def test_a_full_disk_is_told_in_a_sentence() -> None:
    importer = Importer()

    def fail(progress: Callable[[int, int], None]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    importer.start(fail)  # type: ignore[arg-type]
    wait_for(lambda: not importer.look().running, what="the import")
    assert "No space left" in importer.look().error and "set TMPDIR" in importer.look().error


@pytest.mark.parametrize(("queued", "alive", "served"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_queued_runs_without_a_runner_get_one_while_pages_are_looked_at(
    queued: bool, alive: bool, served: int, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Path] = []
    monkeypatch.setattr(background, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(control, "serve_queue", lambda root, _: wanted.append(root))
    monkeypatch.setattr(control, "has_runner", lambda _: alive)
    watch = background.QueueWatch(lambda: queued)
    watch.look(runs_root, runs_root)
    for thread in [each for each in threading.enumerate() if each.name == "serve"]:
        thread.join()
    assert wanted == [runs_root] * served
    monkeypatch.setattr(background, "WATCH_SECONDS", 1000.0)
    watch.look(runs_root, runs_root)
    watch.look(runs_root, runs_root)  # another viewer, a moment later
    for thread in [each for each in threading.enumerate() if each.name == "serve"]:
        thread.join()
    assert len(wanted) == 2 * served


def test_a_page_that_polls_looks_after_the_queue(runs_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(background.QueueWatch, "look", lambda self, root, data: looked.append(root))
    monkeypatch.setattr(cache, "_take_over", lambda *_: None)
    monkeypatch.setenv("FER_RUNS_ROOT", str(runs_root))

    def still() -> None:
        from dashboard.ui.page import draw_live

        draw_live(lambda: None, seconds=None)

    def polling() -> None:
        from dashboard.ui.page import draw_live

        draw_live(lambda: None, seconds=1.5)

    AppTest.from_function(still).run()
    assert looked == []
    AppTest.from_function(polling).run()
    assert looked == [runs_root]
