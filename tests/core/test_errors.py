"""Names of files as they may stand in a message, and what the system refused."""

import tempfile
from pathlib import Path

import pytest

from core.errors import display_name, explain_system_error


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a b.png", "a b.png"),
        ("a\nb\x1b[31m.png", "a b [31m.png"),
        ("\u202egpj.exe", "gpj.exe"),
        ("", "image"),
        ("///", "image"),
        ("Größe 顔.jpg", "Größe 顔.jpg"),
        ("x" * 100 + ".jpeg", "x" * 45 + "..." + "xxxxxxx.jpeg"),
    ],
)
def test_display_name(name: str, shown: str) -> None:
    assert display_name(name) == shown


def test_a_missing_temporary_folder_is_named_as_python_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    assert "set TMPDIR" in explain_system_error(caught.value)


@pytest.mark.parametrize("error", [ValueError("x"), OSError("x"), FileNotFoundError(2, "No such file")])
def test_of_what_says_too_little_no_sentence_is_made(error: Exception) -> None:
    assert explain_system_error(error) == ""
