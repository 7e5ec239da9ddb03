"""Text files of any system: encodings, delimiters, line ends and numbers."""

import io

import pytest

from core.data.importers.delimited import columns_of, delimiter_of, open_text, plain_number, text_of


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"], ids=["lf", "cr", "crlf"])
def test_text_of_any_system(encoding: str, end: str) -> None:
    data = f"größe,b{end}1,2{end}".encode(encoding)
    assert text_of(data) == "größe,b\n1,2\n"
    stream = io.BufferedReader(io.BytesIO(data))
    with open_text(stream) as text:
        assert list(text) == ["größe,b\n", "1,2\n"]
    assert not stream.closed


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("a,b", ","),
        ("a;b;c", ";"),
        ("a\tb", "\t"),
        ("alone", ","),
        ('x.png,"(0; 0; 48; 48)",4', ","),
        ("x.png;(0, 0, 48, 48);4;0;0;1", ";"),
    ],
    ids="commas semicolons tabs alone quoted bare".split(),
)
def test_what_separates_columns(header: str, delimiter: str) -> None:
    assert delimiter_of(header) == delimiter


def test_columns() -> None:
    assert columns_of('\ufeff"Emotion"; pixels;Usage\r0;1'.encode("utf-16-le")) == ["emotion", "pixels", "usage"]
    assert columns_of(b"x" * 200_000) == [] == columns_of(b"")


@pytest.mark.parametrize(
    ("text", "plain"),
    [("3.0", "3"), (" 3 ", "3"), ("3,00", "3"), ("3.5", "3.5"), ("²", "²"), ("a.0", "a.0"), (".0", ".0")],
)
def test_whole_numbers(text: str, plain: str) -> None:
    assert plain_number(text) == plain
