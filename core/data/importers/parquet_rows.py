"""The rows of Parquet tables from any source. A few hundred bytes may be thousands of rows with the same megabytes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.data.decode import MAX_IMAGE_BYTES
from core.data.importers.sources import Files, UnusableImageError
from core.errors import DataError, quote
from core.models import IMAGE_SIZE

if TYPE_CHECKING:
    from pyarrow import Array, DataType, Scalar
    from pyarrow.parquet import ColumnChunkMetaData, ParquetFile

_MAX_BYTES: Final = 600_000_000
_MAX_ROWS: Final = 200_000
_SMALL_BYTES: Final = 100_000_000
_MAX_RATIO: Final = 200
"""How many times its size a table may unpack to, beyond `_SMALL_BYTES`."""
_MAX_LABEL_BYTES: Final = 1000
_MAX_LABELS: Final = 16
"""Values in a list where a label should be."""
_MAX_WHOLE_BYTES: Final = 200_000_000
"""Up to which a group of rows is read as a whole, with each text in memory once, however many rows have it."""
_PART: Final = 8
"""Rows of a larger group that are read at once."""
_NULL: Final = "null"


class ImageCell(NamedTuple):
    """What should be an image."""

    key: tuple[int, ...]
    """The same for rows with the same image, as far as that is known; else empty."""
    read: Callable[[], Any]
    """Its bytes, of which one more than `MAX_IMAGE_BYTES` is the last; or gray values as text or list; or else."""


class TableRow(NamedTuple):
    """One row. What is null is the text `null`, and None for the image."""

    label: str
    split: str
    """Empty where it was not read."""
    image: ImageCell


def table_content(files: Files, name: str) -> bytes:
    """A table as it is on disk.

    Raises:
        DataError: it is too large, or unpacks to too much.
    """
    try:
        with files.open(name) as (stream, size):
            if size > _MAX_BYTES:
                raise DataError(f"{quote(name)} has {size:,} bytes (max {_MAX_BYTES:,}). Import it in parts.")
            data = stream.read(size)
    except UnusableImageError as error:
        raise DataError(f"{quote(name)} is {error}.") from None
    metadata = open_table(data).metadata
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    rows, unpacked = metadata.num_rows, sum(int(group.total_byte_size) for group in groups)
    if rows > _MAX_ROWS or unpacked > min(4 * _MAX_BYTES, max(_SMALL_BYTES, _MAX_RATIO * size)):
        raise DataError(f"Rejected: {quote(name)} has {rows:,} rows and unpacks to {unpacked:,} bytes.")
    return data


def open_table(data: bytes, columns: Sequence[str] = ()) -> "ParquetFile":
    """A table, which reads texts and bytes of some columns as each of them once, and which one a row has."""
    import pyarrow as pa  # takes a while, so only where it is needed
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(pa.BufferReader(data))
    leaves = [file.schema.column(index) for index in range(len(file.schema))]
    once = [leaf.path for leaf in leaves if _root(leaf.path) in columns and leaf.physical_type == "BYTE_ARRAY"]
    return ParquetFile(pa.BufferReader(data), read_dictionary=once) if once else file


def table_rows(data: bytes, *, label: str, split: str = "", image: str = "") -> Iterator[TableRow]:
    """The rows of a table, from the columns of these names; an empty one is not read.

    Raises:
        DataError: lists in it have more values than images have.
        ArrowException: it is corrupt.
    """
    columns = [column for column in (label, split, image) if column]
    whole, in_parts = open_table(data, columns), open_table(data)
    for number in range(whole.metadata.num_row_groups):
        group = whole.metadata.row_group(number)
        chunks = [group.column(index) for index in range(group.num_columns)]
        _check_lists(group.num_rows, chunks, columns, image)
        has_lists = any(chunk.num_values > group.num_rows for chunk in chunks if _root(chunk.path_in_schema) == image)
        is_whole = group.total_byte_size <= _MAX_WHOLE_BYTES and not has_lists
        batches = (whole if is_whole else in_parts).iter_batches(
            batch_size=max(1, group.num_rows if is_whole else _PART), row_groups=[number], columns=columns
        )
        for part, batch in enumerate(batches):
            nothing: list[str] = [""] * batch.num_rows
            labels = _texts(batch.column(label))
            splits = _texts(batch.column(split)) if split else nothing
            images = _images(batch.column(image), (number, part)) if image else repeat(ImageCell((), lambda: None))
            yield from map(TableRow, labels, splits, images)


def _root(path: str) -> str:
    """The column that a leaf of the schema is in."""
    return path.split(".")[0]


def _check_lists(rows: int, chunks: Sequence["ColumnChunkMetaData"], columns: Sequence[str], image: str) -> None:
    """Lists may hold the gray values of an image, and no more, in however few bytes they are packed.

    Raises:
        DataError: they hold more.
    """
    for chunk in chunks:
        column = _root(chunk.path_in_schema)
        most = IMAGE_SIZE**2 if column == image else _MAX_LABELS
        if column in columns and chunk.num_values > most * rows:
            raise DataError(f"Rejected: the column {quote(column)} has lists of too many values (max {most:,}).")


def _texts(array: "Array") -> Iterator[str]:
    if not _is_shared(array):
        return map(_text, array.to_pylist())
    indices = array.indices.to_pylist()
    texts = {index: _text(_start(array.dictionary[index], _MAX_LABEL_BYTES)) for index in set(indices) - {None}}
    return (texts.get(index, _NULL) for index in indices)


def _text(cell: Any) -> str:
    return _NULL if cell is None else cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _images(array: "Array", place: tuple[int, int]) -> Iterator[ImageCell]:
    import pyarrow as pa

    if pa.types.is_struct(array.type) and array.type.get_field_index("bytes") >= 0:
        array = array.flatten()[array.type.get_field_index("bytes")]
    indices = array.indices.to_pylist() if _is_shared(array) else []
    for index in indices:
        cell = array.dictionary[index] if index is not None else pa.scalar(None)
        yield ImageCell((*place, -1 if index is None else index), partial(_content, cell))
    if not indices:
        yield from (ImageCell((), partial(_content, cell)) for cell in array)


def _is_shared(array: "Array") -> bool:
    """Whether these are texts or bytes, each once."""
    import pyarrow as pa

    return pa.types.is_dictionary(array.type) and _is_content(array.type.value_type)


def _is_content(kind: "DataType") -> bool:
    import pyarrow as pa

    return _is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_text(kind: "DataType") -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _content(cell: "Scalar") -> Any:
    if not (cell.is_valid and _is_content(cell.type)):
        return cell.as_py()
    content = _start(cell, MAX_IMAGE_BYTES)
    return content.decode("utf-8", "replace") if _is_text(cell.type) else content


def _start(cell: "Scalar", most: int) -> bytes:
    """The first bytes, one more than the most that there may be, which is enough to see that it is too long."""
    content = cell.as_buffer()
    return bytes(content.slice(0, min(most + 1, content.size)))
