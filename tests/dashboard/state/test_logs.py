"""The end of a log."""

from pathlib import Path

from dashboard.state.logs import log_tail


def test_a_log_is_shown_without_terminal_codes(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    assert log_tail(log) == ""
    log.write_bytes(b"x" * 100_000 + b"\nstart\n 10 %\r 50 %\r100 %\r\n\x1b[31mred\x1b[0m\n")
    assert log_tail(log) == "start\n100 %\nred"
    for end in (b"", b"\n"):
        log.write_bytes(b"x" * 100_000 + end)
        assert len(log_tail(log)) > 60_000, "one line that is longer than all that is read"
