from __future__ import annotations

import csv
import io
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from urlsweep.core.model import Outcome, Reason, Target
from urlsweep.sources import SourceError
from urlsweep.sources.input import Input
from urlsweep.sources.lines import LONGEST_LINE
from urlsweep.sources.tabular import LONGEST_SEARCH, TabularParser, TsvParser


def read(data: bytes, column: str | None = None, warnings: list[str] | None = None) -> list[Target]:
    warn = (lambda message: None) if warnings is None else warnings.append
    parser = TabularParser(Input("t.csv", column=column, warn=warn))
    return [*parser.feed(data), *parser.close()]


def urls(data: bytes, column: str | None = None) -> list[str]:
    return [target.url for target in read(data, column)]


def test_a_row_keeps_all_its_columns_in_order() -> None:
    assert read(b"id,url,note\n1,https://a.example/,hello\n") == [
        Target("https://a.example/", "t.csv:2", {"id": "1", "url": "https://a.example/", "note": "hello"})
    ]


@pytest.mark.parametrize(
    ("data", "column", "expected"),
    [
        # A column called url, in any case, wins over one that holds URLs before it.
        (b"link,URL\nhttps://no.example/,https://a.example/\n", None, ["https://a.example/"]),
        (b"link, Url \nhttps://no.example/,https://a.example/\n", None, ["https://a.example/"]),
        # Else the first whose first filled cell is a URL.
        (
            b"name,link\nA,https://a.example/\nB,https://b.example/\n",
            None,
            ["https://a.example/", "https://b.example/"],
        ),
        (b"name,link\nA,\nB,https://b.example/\n", None, ["", "https://b.example/"]),
        (b"name,site,link\nA,none,https://a.example/\nhttps://b.example/,x,y\n", None, ["https://a.example/", "y"]),
        # By name and by number.
        (b"url,link\nhttps://no.example/,https://a.example/\n", "link", ["https://a.example/"]),
        (b"url,Link\nhttps://no.example/,https://a.example/\n", "LINK", ["https://a.example/"]),
        (b"url,link\nhttps://no.example/,https://a.example/\n", "2", ["https://a.example/"]),
        (b"a,2024\nx,https://a.example/\n", "2024", ["https://a.example/"]),
        # Without a header.
        (b"https://a.example/,1\nhttps://b.example/,2\n", None, ["https://a.example/", "https://b.example/"]),
        (b"1,https://a.example/\n2,b\n", "2", ["https://a.example/", "b"]),
        (b"htp://a.example/,1\nhttps://b.example/,2\n", "1", ["htp://a.example/", "https://b.example/"]),
        # Delimiters.
        (b"name;url\nA,B;https://a.example/\n", None, ["https://a.example/"]),
        (b"name\turl\nA,B;C\thttps://a.example/\n", None, ["https://a.example/"]),
        (b"a;b;c,url\n1;2;3,https://a.example/\n", None, ["https://a.example/"]),
        (b"A;https://a.example/x,y\nB;https://b.example/\n", "2", ["https://a.example/x,y", "https://b.example/"]),
        (b"https://a.example/x;y=1\nhttps://b.example/\n", None, ["https://a.example/x;y=1", "https://b.example/"]),
        (b"url\nhttps://a.example/x;y\n", None, ["https://a.example/x;y"]),
        # Quotes.
        (b'url,n\n"https://a.example/x,y",1\n', None, ["https://a.example/x,y"]),
        (b'"my\nlist",url\n"a\n""b""\n",https://a.example/\n', None, ["https://a.example/"]),
        (
            b'size,url\n5" disk,https://a.example/\n6" disk,https://b.example/\n',
            None,
            ["https://a.example/", "https://b.example/"],
        ),
        # Rows, not lines: a row with no URL is one, a blank line is none.
        (b"n,url\n1,\n\n  \n,\n2,https://a.example/", None, ["", "", "https://a.example/"]),
        (b"n,url\n1\n", None, [""]),
        (b"url\r\nhttps://a.example/\r\nhttps://b.example/\r\n", None, ["https://a.example/", "https://b.example/"]),
        ("\ufeffn\turl\n\u00e9\thttps://a.example/\n".encode("utf-16-le"), None, ["https://a.example/"]),
        (b"", None, []),
        (b"url\n", None, []),
        (b"name,link\n", None, []),
    ],
)
def test_the_url_column(data: bytes, column: str | None, expected: list[str]) -> None:
    assert urls(data, column) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"url,a\nx,1\n", {"url": "x", "a": "1"}),
        (b"url,a,b\nx\n", {"url": "x", "a": "", "b": ""}),
        (b"url,a\nx,1,2,3\n", {"url": "x", "a": "1", "column_3": "2", "column_4": "3"}),
        (b"url,column_3\nx,1,2\n", {"url": "x", "column_3": "1", "column_3_": "2"}),
        (b"https://a.example/,1\n", {"column_1": "https://a.example/", "column_2": "1"}),
        (b"url,a,a,\nx,1,2,3\n", {"url": "x", "a": "1", "a_3": "2", "column_4": "3"}),
        (b"url,  a \n  x , 1 \n", {"url": "  x ", "  a ": " 1 "}),
        (b'url,a\nx,"one\r\ntwo, ""three"""\n', {"url": "x", "a": 'one\ntwo, "three"'}),
        (b"url,a\nx,=1+1\n", {"url": "x", "a": "=1+1"}),
    ],
)
def test_the_row_beside_it(data: bytes, expected: dict[str, str]) -> None:
    (target,) = read(data)
    assert target.input is not None
    assert dict(target.input) == expected
    assert list(target.input) == list(expected)


def test_rows_are_found_where_they_start() -> None:
    targets = read(b'note,url\n"a\nb\nc",x\n\n"d",y\nz,w')
    assert [target.found_in for target in targets] == ["t.csv:2", "t.csv:6", "t.csv:7"]


@pytest.mark.parametrize(
    ("data", "column", "said"),
    [
        (b"name,link\nA,https://a.example/\n", "url", "no column 'url': its columns are 'name', 'link'"),
        (b"name,link\nA,https://a.example/\n", "3", "no column '3': its columns are 'name', 'link'"),
        (b"A,https://a.example/\n", "url", "no header; its columns are 1 to 2"),
        (b"name,site\nA,www.a.example\n", None, "choose one with --column (its columns are 'name', 'site')"),
        (b"name,link\n" + b"A,B\n" * LONGEST_SEARCH + b",https://a.example/\n", None, "--column"),
    ],
)
def test_a_column_that_is_not_there_is_an_error_that_names_those_that_are(
    data: bytes, column: str | None, said: str
) -> None:
    with pytest.raises(SourceError) as caught:
        read(data, column)
    assert said in str(caught.value)
    assert "t.csv" in str(caught.value)


def test_no_row_comes_before_the_error() -> None:
    parser = TabularParser(Input("t.csv", column="nothing"))
    with pytest.raises(SourceError):
        next(parser.feed(b"name,url\nA,https://a.example/\n"))


def test_columns_are_known_as_soon_as_the_header_is() -> None:
    parser = TabularParser(Input("t.csv"))
    assert list(parser.feed(b"name,url")) == []
    assert parser.columns is None
    assert list(parser.feed(b"\n")) == []
    assert parser.columns == ("name", "url")


def test_tsv_splits_at_tabs_only() -> None:
    parser = TsvParser(Input("t.tsv"))
    (target,) = [*parser.feed(b"a,b;c\turl,x\n1,2\thttps://a.example/,y\n"), *parser.close()]
    assert target.url == "https://a.example/,y"


def test_windows_1252_cells_are_readable_and_the_url_keeps_its_bytes() -> None:
    warnings: list[str] = []
    good, bad = read(b"name,url\nA,https://a.example/\nCaf\xe9 \x80,https://b.example/\xe9\n", warnings=warnings)
    assert good.url == "https://a.example/"
    assert bad.url == "https://b.example/%E9"
    assert bad.input == {"name": "Caf\u00e9 \u20ac", "url": "https://b.example/\u00e9"}
    assert len(warnings) == 1
    assert "t.csv is not UTF-8" in warnings[0]


def test_an_unclosed_quote_is_told_with_the_lines_it_swallowed() -> None:
    *rows, fault = read(b'url,note\nhttps://a.example/,x\nhttps://b.example/,"y\nhttps://c.example/,z\n')
    assert [row.url for row in rows] == ["https://a.example/"]
    assert fault.found_in == "t.csv:3"
    assert fault.fault is not None
    assert (fault.fault.outcome, fault.fault.reason) == (Outcome.BROKEN, Reason.SOURCE_MALFORMED)
    assert "lines 3 to 4" in fault.fault.detail


def test_an_unclosed_quote_does_not_swallow_a_whole_file() -> None:
    lines = 3 * LONGEST_LINE // 20
    data = b'url,note\nhttps://a.example/,"y\n' + b"https://b.example/,zz\n" * lines
    targets = read(data)
    faults = [target for target in targets if target.fault is not None]
    assert len(faults) == 1
    assert 0 < len(targets) - 1 < lines


def test_a_quoted_cell_above_the_csv_modules_limit_is_an_invalid_row() -> None:
    before = csv.field_size_limit()
    cell = b'"' + b"x" * (before + 1) + b'"'
    first, wrong, last = read(b"url,note\na,1\nb," + cell + b"\nc,2\n")
    assert (first.url, last.url) == ("a", "c")
    assert wrong.fault is not None
    assert wrong.fault.outcome is Outcome.INVALID
    assert csv.field_size_limit() == before


def test_a_header_that_cannot_be_read_is_told() -> None:
    header = b'url,"' + b"x" * (csv.field_size_limit() + 1) + b'"\n'
    with pytest.raises(SourceError, match="no column begins with"):
        read(header + b"a,b\n")
    assert urls(header + b"https://a.example/,b\n") == ["https://a.example/"]


def test_a_line_that_is_too_long_ends_an_open_quote() -> None:
    quote, long_line, row = read(b'url,note\na,"b\n' + b"x" * (LONGEST_LINE + 1) + b"\nc,d\n")
    assert [target.found_in for target in (quote, long_line, row)] == ["t.csv:2", "t.csv:3", "t.csv:4"]
    assert quote.fault is not None
    assert long_line.fault is not None
    assert row.input == {"url": "c", "note": "d"}


def test_a_line_that_is_too_long_is_an_invalid_row() -> None:
    first, wrong, last = read(b"url,note\na,1\n" + b"x" * (LONGEST_LINE + 1) + b"\nb,2\n")
    assert (first.url, last.url) == ("a", "b")
    assert wrong.found_in == "t.csv:3"
    assert wrong.fault is not None


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)
tables = st.lists(st.lists(cells, min_size=2, max_size=4), max_size=8)


@given(
    rows=tables,
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_the_csv_module_writes_comes_back_cell_for_cell(
    rows: list[list[str]], delimiter: str, quoting: Literal[0, 1]
) -> None:
    columns = ["url", "a", "b", "c"]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, quoting=quoting)
    writer.writerows([columns, *rows])
    targets = read(stream.getvalue().encode())
    padded = [row + [""] * (4 - len(row)) for row in rows]
    assert [list((target.input or {}).values()) for target in targets] == padded
    assert [target.url for target in targets] == [row[0].strip() for row in rows]


@given(data=st.text(st.sampled_from('ab,;\t"\n'), max_size=60))
@example(data='"a""\n","b')
@example(data='a"b\n"c"d"\n')
def test_records_end_where_the_csv_module_ends_them(data: str) -> None:
    expected = [row for row in csv.reader(io.StringIO(data, newline="")) if row]
    targets = read(b"url,x\n" + data.encode())
    rows = [list((target.input or {}).values()) for target in targets if target.fault is None]
    if len(rows) != len(targets):  # the module takes what an unclosed quote swallowed for a last row
        del expected[-1]
    assert rows == [row + [""] * (2 - len(row)) for row in expected]
