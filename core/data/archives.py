"""The one reader of archives, for datasets and for images to predict: zip files and tar archives from any source.

Nothing is unpacked to disk, and neither the declared contents nor the declared sizes of an archive are trusted. An
entry has a `Fault` where no legitimate archive has one; the caller decides whether that rejects the entry or all.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

_MAX_DIRECTORY_BYTES: Final = 32_000_000
_TAR_BLOCK: Final = 512
_MAX_UNPACKER_BYTES: Final = 128_000_000  # xz -9 needs 65 MB

_CLUTTER: Final = frozenset(("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "icon\r"))

DAMAGES: Final = (
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    tarfile.TarError,
)
"""What Python's readers raise on corrupt archives."""


class DamagedError(Exception):
    """An archive, or an entry of one, is corrupt or truncated; the caller adds its name."""


class TooLargeError(Exception):
    """An archive unpacks to more than was allowed, in a few words; the caller adds its name."""


class Fault(StrEnum):
    """What is wrong with an entry, as the end of a sentence that begins with its name."""

    OUTSIDE = "points outside the archive"
    SPECIAL = "is a link or a special file"
    ENCRYPTED = "is protected by a password"
    METHOD = "is compressed in an unusual way"


@dataclass(frozen=True)
class Entry:
    """A file in an archive."""

    name: str
    """Its path inside, with /; may contain any characters."""
    size: int
    """Declared size in bytes; no more are ever read."""
    faults: tuple[Fault, ...] = ()
    """What no legitimate archive has. `OUTSIDE` is harmless where names are not used: nothing is unpacked."""
    index: int = 0
    """Place in a zip file's directory: two entries may have the same name."""


def begins_as_zip(path: Path) -> bool:
    """Whether a file begins as zip files do."""
    with path.open("rb") as file:
        return is_zip(file.read(4))


def is_zip(start: bytes) -> bool:
    """Whether these are the first bytes of a zip file."""
    return start[:4] in (b"PK\3\4", b"PK\5\6")


def begins_as_tar(start: bytes) -> bool:
    """Whether these are the first bytes (512, or at least 262) of a tar archive that is not compressed."""
    if start[257:262] == b"ustar":
        return True
    try:  # the format before POSIX has only a checksum
        return bool(tarfile.TarInfo.frombuf(start[:512], "utf-8", "surrogateescape").name)
    except tarfile.TarError:
        return False


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, with any compression that is read here or none."""
    with path.open("rb") as file:
        try:
            return begins_as_tar(io.BufferedReader(BoundedStream(file, 1 << 20)).read(512))
        except (*DAMAGES, TooLargeError):
            return False


def is_clutter(file: str) -> bool:
    """Whether a file is what systems leave in folders, such as .DS_Store."""
    return any(part.startswith(".") or part.lower() in _CLUTTER for part in file.split("/") if part != ".")


def common_top(files: Sequence[str], ours: Callable[[str], bool]) -> str:
    """The folders that all files are in, with a trailing slash; empty where there are none.

    Args:
        files: paths with /.
        ours: whether a folder of that name means something; it and what is below are not part of the answer.
    """
    top: list[str] = []
    for parts in zip(*(file.split("/")[:-1] for file in files), strict=False):
        if len(set(parts)) > 1 or ours(parts[0]):
            break
        top.append(parts[0])
    return "".join(f"{part}/" for part in top)


# --- zip


class ZipReader:
    """The files of a zip file, in the order of its directory, without folders."""

    def __init__(self, file: io.RawIOBase) -> None:
        """
        Raises:
            DamagedError: it is not a zip file, or corrupt.
            OSError: it cannot be read.
        """
        try:
            self._archive = zipfile.ZipFile(_CappedFile(file))
        except DAMAGES as error:
            raise DamagedError from error
        self._infos = self._archive.infolist()
        entries = [_zip_entry(index, info) for index, info in enumerate(self._infos)]
        self.entries = [entry for entry in entries if not entry.name.endswith("/")]

    def read(self, entry: Entry) -> bytes:
        """The content of an entry without a fault other than `OUTSIDE`.

        Raises:
            DamagedError: it is corrupt, or its size differs from the declared one.
            OSError: it cannot be read.
        """
        with self.open(entry) as stream:
            # Not ZipFile.read(): that inflates without limit, whatever size the directory declares.
            try:
                return stream.read(entry.size)
            except DAMAGES as error:
                raise DamagedError from error

    @contextmanager
    def open(self, entry: Entry) -> Iterator[BinaryIO]:
        """The content as a stream, for what is too large to be read at once; its reading raises `DAMAGES`.

        Raises:
            DamagedError: it is corrupt.
            OSError: it cannot be read.
        """
        try:
            member = self._archive.open(self._infos[entry.index])
        except DAMAGES as error:
            raise DamagedError from error
        with member:
            yield cast(BinaryIO, member)


def _zip_entry(index: int, info: zipfile.ZipInfo) -> Entry:
    name = info.filename.replace("\\", "/")  # PowerShell 5.1 writes these, also at the end of a folder
    found = {
        Fault.OUTSIDE: _points_outside(name),
        Fault.SPECIAL: stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG),
        Fault.ENCRYPTED: bool(info.flag_bits & 1),
        Fault.METHOD: info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
    }
    return Entry(name, info.file_size, tuple(fault for fault, is_so in found.items() if is_so), index)


class _CappedFile(io.BufferedReader):
    """A file that rejects huge reads: zipfile reads a directory at once, then makes objects ten times its size."""

    def read(self, size: int | None = -1, /) -> bytes:
        limit = _MAX_DIRECTORY_BYTES + 1
        data = super().read(limit if size is None or size < 0 else min(size, limit))
        if len(data) == limit:
            raise zipfile.BadZipFile("its directory is too large")
        return data


# --- tar and what it is compressed with, as streams


class _Unpacked(io.RawIOBase):
    """What a bzip2 or xz file unpacks to, within `_MAX_UNPACKER_BYTES` of memory."""

    def __init__(self, file: BinaryIO, make: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        super().__init__()
        self._file, self._make, self._unpacker = file, make, make()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = b""
        while not data:
            if self._unpacker.eof:  # another stream may follow
                packed = self._unpacker.unused_data or self._file.read(1 << 16)
                if not packed.strip(b"\0"):
                    return b""
                self._unpacker = self._make()
            else:
                packed = self._file.read(1 << 16) if self._unpacker.needs_input else b""
                if not packed and self._unpacker.needs_input:
                    raise EOFError("it ends before its end was marked")
            try:
                data = self._unpacker.decompress(packed, size)
            except OSError as error:  # what bz2 raises on corrupt data
                raise ValueError(str(error)) from error
        return data


def _opened(file: BinaryIO) -> BinaryIO:
    """The content of a file, unpacked where it is packed with gzip, bzip2 or xz."""
    if not hasattr(file, "peek"):
        file = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, file)))
    start = cast(io.BufferedReader, file).peek(6)[:6]  # nobody can go back in a file inside a tar archive
    if start.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if start.startswith(b"BZh"):
        return cast(BinaryIO, _Unpacked(file, bz2.BZ2Decompressor))
    if start == b"\xfd7zXZ\0":
        return cast(BinaryIO, _Unpacked(file, lambda: lzma.LZMADecompressor(memlimit=_MAX_UNPACKER_BYTES)))
    return file


class BoundedStream(io.RawIOBase):
    """What a file unpacks to, which ends with a `TooLargeError` when more than `limit` bytes have been read: a small
    archive may unpack to anything."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        """
        Args:
            file: open at its beginning, packed with gzip, bzip2 or xz, or not.
            limit: in bytes; may be changed later.
        """
        super().__init__()
        self._source = _opened(file)
        self._done, self.limit = 0, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        self._done += len(data)
        if self._done > self.limit:
            raise TooLargeError(f"more than {self.limit // 10**6:,} MB")
        buffer[: len(data)] = data
        return len(data)


def read_tar(stream: BinaryIO) -> Iterator[tuple[Entry, BinaryIO | None]]:
    """The entries of a tar archive, each with its content, to be read before the next is asked for; folders and special
    files have none.

    Raises:
        one of `DAMAGES`: it is corrupt or truncated.
    """
    watched = _WithTail(stream)
    with tarfile.open(fileobj=watched, mode="r|") as archive:  # type: ignore[call-overload]
        for index, member in enumerate(archive):
            found = {
                Fault.OUTSIDE: _points_outside(member.name),
                Fault.SPECIAL: not (member.isfile() or member.isdir()),
            }
            faults = tuple(fault for fault, is_so in found.items() if is_so)
            content = archive.extractfile(member) if member.isfile() and not faults else None
            yield Entry(member.name, member.size, faults, index), _forward(content) if content else None
        # tarfile takes a damaged header, or none, for the end. There are only zeros after that, and at last the
        # checksum of what the archive is packed with.
        rest = cast(BinaryIO, archive.fileobj)
        while data := rest.read(1 << 16):
            if data.strip(b"\0"):
                raise tarfile.ReadError("a header is damaged")
    if watched.tail != bytes(_TAR_BLOCK):
        raise tarfile.ReadError("its end is missing")


class _Forward(io.RawIOBase):
    """A stream that says that it is read in one direction only, which what `tarfile` gives cannot be asked."""

    def __init__(self, content: IO[bytes]) -> None:
        super().__init__()
        self._content, self._done = content, 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._done

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._content.read(len(buffer))
        self._done += len(data)
        buffer[: len(data)] = data
        return len(data)


def _forward(content: IO[bytes]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Forward(content)))


class _WithTail:
    """A stream of which the last block that was read is known."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.tail = stream, b""

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.tail = (self.tail + data)[-_TAR_BLOCK:]
        return data


def _points_outside(name: str) -> bool:
    return name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")
