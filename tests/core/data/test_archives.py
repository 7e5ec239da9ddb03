"""The one reader of archives: what it says of entries no honest archive has, and that it believes no size."""

import ast
import gzip
import io
import tarfile
import zipfile

import pytest

from core.data.archives import (
    DAMAGES,
    BoundedStream,
    DamagedError,
    Fault,
    TooLargeError,
    ZipReader,
    is_clutter,
    read_tar,
)
from tests import hostile
from tests.conftest import PROJECT_ROOT

ZIPS = {upload.name: upload.data for upload in hostile.zips()}


def reader(data: bytes) -> ZipReader:
    return ZipReader(io.BytesIO(data))  # type: ignore[arg-type]


def zipped(*entries: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return made.getvalue()


def tarred(*entries: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    made.seek(0)
    return made


@pytest.mark.parametrize(
    ("name", "fault"),
    [("password.zip", Fault.ENCRYPTED), ("link.zip", Fault.SPECIAL), ("method.zip", Fault.METHOD)],
)
def test_an_entry_that_no_honest_zip_has_is_named(name: str, fault: Fault) -> None:
    assert [entry.faults for entry in reader(ZIPS[name]).entries] == [(fault,)]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:\\x", "..\\x", "a\\..\\..\\x"])
def test_names_that_point_outside(name: str) -> None:
    [entry] = reader(zipped((name, b"x"))).entries
    assert entry.faults == (Fault.OUTSIDE,) and "\\" not in entry.name
    if "\\" not in name:
        [(entry, content)] = read_tar(tarred((tarfile.TarInfo(name), b"x")))
        assert entry.faults == (Fault.OUTSIDE,) and content is None


def test_honest_entries_have_no_fault_and_folders_are_none() -> None:
    archive = reader(zipped(("a/", b""), ("a/b.txt", b"text"), ("..b", b"2")))
    assert [(entry.name, entry.size, entry.faults) for entry in archive.entries] == [("a/b.txt", 4, ()), ("..b", 1, ())]
    assert [archive.read(entry) for entry in archive.entries] == [b"text", b"2"]
    with archive.open(archive.entries[0]) as stream:
        assert (stream.read(2), stream.read()) == (b"te", b"xt")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_entries_with_one_name_each_has_its_own_content() -> None:
    archive = reader(zipped(("a", b"first"), ("a", b"second")))
    assert [archive.read(entry) for entry in archive.entries] == [b"first", b"second"]


def test_an_entry_that_lies_about_its_size_is_damaged() -> None:
    archive = reader(ZIPS["says 50 bytes.zip"])
    assert [entry.size for entry in archive.entries] == [50]
    with pytest.raises(DamagedError):
        archive.read(archive.entries[0])


def test_a_zip_cut_short_is_damaged() -> None:
    whole = zipped(("a", b"text"))
    for length in range(len(whole)):
        with pytest.raises(DamagedError):
            reader(whole[:length])


def test_a_tar_is_read_as_a_stream_and_links_have_no_content() -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    found = list(read_tar(tarred((link, b""), (tarfile.TarInfo("last"), b"x"))))
    assert [(entry.name, entry.faults) for entry, _ in found] == [("link", (Fault.SPECIAL,)), ("last", ())]
    assert found[0][1] is None and found[1][1] is not None
    whole = tarred((tarfile.TarInfo("a"), b"first"), (tarfile.TarInfo("b"), b"second"))
    assert [content.read() for _, content in read_tar(whole) if content] == [b"first", b"second"]
    with pytest.raises(DAMAGES):
        list(read_tar(io.BytesIO(whole.getvalue()[:700])))


@pytest.mark.parametrize("change", ["header", "end", "block"])
def test_a_damaged_header_is_not_taken_for_the_end(change: str) -> None:
    whole = tarred(*((tarfile.TarInfo(name), b"x") for name in "abc")).getvalue()
    content = {
        "header": whole[:1024] + bytes(100) + whole[1124:],
        "end": whole.rstrip(b"\0"),
        "block": whole[:2048],
    }[change]
    assert len(list(read_tar(io.BytesIO(whole)))) == 3
    with pytest.raises(DAMAGES):
        list(read_tar(io.BytesIO(content)))


def test_a_stream_ends_where_it_was_told_to() -> None:
    packed = gzip.compress(bytes(30_000_000))
    assert len(packed) < 100_000
    assert BoundedStream(io.BytesIO(packed), 30_000_000).read(1000) == bytes(1000)
    with pytest.raises(TooLargeError, match="more than 2 MB"):
        io.BufferedReader(BoundedStream(io.BytesIO(packed), 2_000_000)).read()
    assert io.BufferedReader(BoundedStream(io.BytesIO(b"plain"), 5)).read() == b"plain"


def test_clutter() -> None:
    clutter = ("a/.DS_Store", "__MACOSX/a/b.png", "Thumbs.db", ".hidden/a.png")
    assert all(map(is_clutter, clutter)) and not is_clutter("a/b.png")


def test_no_other_module_reads_archives() -> None:
    """Beside what writes zip files, and the weights, of which the directory is looked at before PyTorch reads them."""
    others = {
        "core/models/weights_format.py",
        "core/exchange/bundle.py",
        "dashboard/views/errors/export.py",
    }
    found = {
        path.relative_to(PROJECT_ROOT).as_posix()
        for top in ("core", "dashboard")
        for path in (PROJECT_ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and {"zipfile", "tarfile"} & {alias.name for alias in node.names}
    }
    assert found - others == {"core/data/archives.py"}
