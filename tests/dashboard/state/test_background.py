"""What goes on in the background of the server."""

import errno
from collections.abc import Callable
from typing import NoReturn

import pytest

from core.errors import DataError
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
