"""Which paths of the server a page opens."""

import os
from pathlib import Path

import pytest

from core.errors import DataError
from dashboard.state import import_roots
from dashboard.state.import_roots import PATHS_OFF, are_paths_on, path_to_import


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two roots, `a` and `b`, beside which there is `secret`, with a file each; and where they are."""
    for name in ("a/faces", "b", "secret"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.png").write_bytes(b"x")
    monkeypatch.setenv("FER_IMPORT_ROOTS", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    return tmp_path


@pytest.mark.parametrize("inside", ["a", "a/faces", "b/x.png", "b/../a/faces", "a/none.zip"])
def test_what_is_inside_the_roots_is_opened(roots: Path, inside: str) -> None:
    assert path_to_import(str(roots / inside)) == (roots / inside).resolve()


@pytest.mark.parametrize("outside", ["", "secret", "secret/x.png", "a/../secret", "none", "ab", "a\0", "/", "~"])
def test_what_is_outside_is_refused_in_the_same_words_whether_or_not_it_exists(roots: Path, outside: str) -> None:
    typed = outside if outside.startswith(("/", "~")) else str(roots / outside)
    with pytest.raises(DataError) as caught:
        path_to_import(typed)
    assert str(caught.value) == f"Paths must be inside '{roots}/a', '{roots}/b' (the folders of FER_IMPORT_ROOTS)."


def test_links_are_followed_inside_the_roots_only(roots: Path) -> None:
    (roots / "a/link").symlink_to(roots / "secret")
    with pytest.raises(DataError, match="Paths must be inside"):
        path_to_import(str(roots / "a/link"))
    with pytest.raises(DataError, match="'link' links to a place outside"):
        path_to_import(str(roots / "a"))
    (roots / "a/link").unlink()
    (roots / "a/faces/y.png").symlink_to(roots / "secret/x.png")
    with pytest.raises(DataError, match=r"'faces/y.png' links to a place outside"):
        path_to_import(str(roots / "a"))
    (roots / "a/faces/y.png").unlink()
    (roots / "a/faces/z.png").symlink_to(roots / "b/x.png")
    (roots / "a/circle").symlink_to(roots / "a")
    assert path_to_import(str(roots / "a")) == roots / "a"


def test_a_folder_without_end_is_not_walked_to_its_end(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_roots, "MOST_ENTRIES", 1)
    with pytest.raises(DataError, match="'a' contains more than 1 files and folders"):
        path_to_import(str(roots / "a"))


def test_without_roots_everything_is_opened_where_nobody_else_can_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FER_IMPORT_ROOTS", raising=False)
    assert are_paths_on() and path_to_import(str(tmp_path)) == tmp_path
    monkeypatch.setattr(import_roots, "is_on_loopback_only", lambda: False)
    assert not are_paths_on()
    with pytest.raises(DataError) as caught:
        path_to_import(str(tmp_path))
    assert str(caught.value) == PATHS_OFF
