"""Names of files as they may stand in a message."""

import pytest

from core.errors import display_name


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
