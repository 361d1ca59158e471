import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.sources.options import MAX_LINE_BYTES, SourceOptions
from shared.errors import SourceChanged, SourceError
from shared.image_reference import MAX_EXTRA_BYTES
from tests.support.source_reading import (
    ListInMemory,
    assert_resumes_everywhere,
    items_of,
    source_of,
)

LINE_ENDS = st.sampled_from(["\n", "\r\n"])
CHUNK_SIZES = st.integers(1, 60)
PAGES = st.builds(SourceOptions, page_items=st.integers(1, 4), page_bytes=st.integers(1, 80))
NAMES = st.text(
    st.characters(exclude_characters="\r\n\0#/", exclude_categories=["Cs", "Z", "C"]),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in {".", ".."})
FIELDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.one_of(NAMES, st.sampled_from(["", "  ", "# no image", "gs://b/k"]))),
    end=LINE_ENDS,
    bom=st.sampled_from(["", "\ufeff"]),
    last_end=st.booleans(),
    chunk_bytes=CHUNK_SIZES,
    options=PAGES,
)
def test_a_text_list_gives_each_line_once_from_every_cursor(
    lines: list[str], end: str, bom: str, last_end: bool, chunk_bytes: int, options: Any
) -> None:
    lines = ["first.jpg", *lines]
    content = bom + end.join(lines) + (end if last_end else "")
    source = source_of(content, "txt", options=options, chunk_bytes=chunk_bytes)

    pages = assert_resumes_everywhere(source)

    items = [item for page in pages for item in page.items]
    named = {
        number: line
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    }
    assert [item.line for item in items] == list(named)
    for item in items:
        assert item.line is not None
        if named[item.line].startswith("gs://"):
            assert item.problem is not None
        else:
            assert (item.uri, item.problem) == (f"/base/{named[item.line]}", None)
    assert all(len(page.items) <= options.page_items for page in pages)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(NAMES, FIELDS, FIELDS), min_size=1),
    kind=st.sampled_from(["csv", "tsv"]),
    quotes_all=st.booleans(),
    end=LINE_ENDS,
    chunk_bytes=CHUNK_SIZES,
    options=PAGES,
)
def test_a_table_gives_back_what_the_standard_library_wrote_from_every_cursor(
    rows: list[Any], kind: str, quotes_all: bool, end: str, chunk_bytes: int, options: Any
) -> None:
    text = io.StringIO()
    if not quotes_all:  # the writer of Python 3.11 leaves a lone carriage return unquoted
        rows = [
            (name, note.replace("\r", ""), label.replace("\r", "")) for name, note, label in rows
        ]
    writer = csv.writer(
        text,
        delimiter="," if kind == "csv" else "\t",
        lineterminator=end,
        quoting=csv.QUOTE_ALL if quotes_all else csv.QUOTE_MINIMAL,
    )
    writer.writerow(["note", "path", "label"])
    writer.writerows([note, name, label] for name, note, label in rows)
    source = source_of(text.getvalue(), kind, options=options, chunk_bytes=chunk_bytes)

    pages = assert_resumes_everywhere(source)

    items = [item for page in pages for item in page.items]
    assert [item.problem for item in items] == [None] * len(rows)
    assert [item.uri for item in items] == [f"/base/{name}" for name, _, _ in rows]
    assert [item.label for item in items] == [label or None for _, _, label in rows]
    assert [item.extra for item in items] == [
        {"note": note, "label": label} for _, note, label in rows
    ]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.one_of(
            st.fixed_dictionaries({"uri": NAMES, "id": NAMES, "n": st.integers()}),
            st.sampled_from(["{", "[1]", "", "{}", '{"uri": 3}', '{"uri": "\\ud800"}']),
        ),
    ),
    end=LINE_ENDS,
    chunk_bytes=CHUNK_SIZES,
    options=PAGES,
)
def test_json_lines_give_each_object_or_its_problem_from_every_cursor(
    rows: list[Any], end: str, chunk_bytes: int, options: Any
) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in [{"uri": "a"}, *rows]]
    source = source_of(end.join(lines), "jsonl", options=options, chunk_bytes=chunk_bytes)

    pages = assert_resumes_everywhere(source)

    items = {item.line: item for page in pages for item in page.items}
    assert list(items) == [number for number, line in enumerate(lines, start=1) if line]
    for number, row in enumerate(rows, start=2):
        if isinstance(row, dict):
            assert items[number].uri == f"/base/{row['uri']}"
            assert items[number].id == row["id"]
            assert items[number].extra == {"n": row["n"]}
        elif row:
            assert items[number].problem is not None


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=300),
    kind=st.sampled_from(["txt", "csv", "tsv", "jsonl"]),
    chunk_bytes=CHUNK_SIZES,
)
def test_no_bytes_at_all_break_a_list(content: bytes, kind: str, chunk_bytes: int) -> None:
    head = b"" if kind in {"txt", "jsonl"} else b"path,label\n"
    head = head.replace(b",", b"\t") if kind == "tsv" else head
    first = b'{"path": "ok.jpg"}\n' if kind == "jsonl" else b"ok.jpg\n"
    options = SourceOptions(page_items=2)
    source = source_of(head + first + content, kind, options=options, chunk_bytes=chunk_bytes)

    assert_resumes_everywhere(source)


def test_a_field_with_line_breaks_is_one_record_with_its_first_line_number() -> None:
    content = 'path,note\r\na.jpg,"one\r\ntwo"\r\nb.jpg,three\r\n'

    items = items_of(source_of(content, "csv"))

    assert [(item.uri, item.line) for item in items] == [("/base/a.jpg", 2), ("/base/b.jpg", 4)]
    assert items[0].extra == {"note": "one\r\ntwo"}


def test_an_unbalanced_quote_costs_its_own_line_only() -> None:
    good = "".join(f"{number}.jpg,x\n" for number in range(20_000))
    content = f'path,note\na.jpg,"open\n{good}'

    items = items_of(source_of(content, "csv"))

    assert [item.line for item in items if item.problem] == [2]
    assert [item.uri for item in items[1:]] == [f"/base/{number}.jpg" for number in range(20_000)]


def test_an_unbalanced_quote_in_the_last_line_is_a_problem() -> None:
    items = items_of(source_of('path,note\na.jpg,b\nc.jpg,"d', "csv"))

    assert [item.problem is None for item in items] == [True, False]


@pytest.mark.parametrize(
    ("kind", "line", "reason"),
    [
        ("txt", b"\xff.jpg", "not valid UTF-8"),
        ("txt", b"x" * (MAX_LINE_BYTES + 1), "longer than 65536"),
        ("csv", b"a.jpg", "1 columns, not 3"),
        ("csv", b"a.jpg,1,2,3", "4 columns, not 3"),
        ("csv", b",1,2", "names no image"),
        ("csv", b"a.jpg,\xff,2", "not valid UTF-8"),
        ("csv", b"a.jpg,1," + b"x" * MAX_EXTRA_BYTES, "extra columns take"),
        ("csv", b'a.jpg,1,"b"c', "not valid CSV"),
        ("csv", b"a.jpg," + b"1" * 1025 + b",2", "'id' takes 1025 bytes"),
        ("csv", b"a.jpg,\0,2", "'id' holds a NUL"),
        ("jsonl", b"{'uri': 1}", "not valid JSON"),
        ("jsonl", b'"a.jpg"', "no JSON object"),
        ("jsonl", b"[" * 60_000, "nested too deeply"),
        ("jsonl", b'{"n": ' + b"9" * 5000 + b"}", "number of the line is too long"),
        ("jsonl", b'{"n": 1}', "names no image"),
        ("jsonl", b'{"path": null}', "no 'path'"),
        ("jsonl", b'{"path": 7}', "is no text"),
        ("jsonl", b'{"path": "a", "id": [1]}', "neither text nor a number"),
        ("jsonl", b'{"path": "a", "x": "\\ud800"}', "not valid Unicode"),
    ],
)
def test_an_unreadable_line_is_a_problem_with_its_number_between_good_ones(
    kind: str, line: bytes, reason: str
) -> None:
    good = {"txt": b"ok.jpg", "csv": b"ok.jpg,7,x", "jsonl": b'{"path": "ok.jpg"}'}[kind]
    head = [b"path,id,note"] if kind == "csv" else []
    content = b"\n".join([*head, good, line, good, b""])

    items = items_of(source_of(content, kind))

    assert [item.problem is None for item in items] == [True, False, True]
    assert reason in str(items[1].problem)
    assert items[1].line == len(head) + 2
    assert len(items[1].uri) <= 200
    items[1].uri.encode()


def test_a_line_of_exactly_the_limit_is_read() -> None:
    line = json.dumps({"path": "a.jpg", "x": ""})
    line = line[:-2] + " " * (MAX_LINE_BYTES - len(line)) + line[-2:]
    note = items_of(source_of(f"{line}\n", "jsonl"))[0]

    assert "extra columns" in str(note.problem)


@pytest.mark.parametrize("column", ["uri", "URL", "Image_Path", " file "])
def test_columns_are_found_by_their_usual_names(column: str) -> None:
    items = items_of(source_of(f"x,{column},id\n1,a.jpg,7\n", "csv"))

    assert (items[0].uri, items[0].id, items[0].extra) == ("/base/a.jpg", "7", {"x": "1"})


def test_columns_that_were_asked_for_win_over_usual_names() -> None:
    options = SourceOptions(uri_column="where", id_column="key", label_column="truth")
    content = "path,where,key,id,label,truth\np,a.jpg,1,2,cat,dog\n"

    item = items_of(source_of(content, "csv", options=options))[0]

    assert (item.uri, item.id, item.label) == ("/base/a.jpg", "1", "dog")
    assert item.extra == {"path": "p", "id": "2", "label": "cat"}


def test_a_json_line_without_the_label_column_has_no_label_of_another_column() -> None:
    options = SourceOptions(label_column="truth")
    content = '{"path": "a", "truth": "dog"}\n{"path": "b", "label": "cat"}\n'

    items = items_of(source_of(content, "jsonl", options=options))

    assert [(item.uri, item.label) for item in items] == [("/base/a", "dog"), ("/base/b", None)]
    assert [item.problem for item in items] == [None, None]


def test_labels_and_ids_of_json_numbers_are_text() -> None:
    content = '{"path": "a", "label": 7, "id": 12.0}\n{"path": "b", "label": null}\n'

    items = items_of(source_of(content, "jsonl"))

    assert [(item.label, item.id) for item in items] == [("7", "12"), (None, None)]


def test_json_numbers_that_are_none_do_not_travel() -> None:
    item = items_of(source_of('{"path": "a", "x": NaN, "y": [1e999, 2]}', "jsonl"))[0]

    assert item.extra == {"y": [None, 2]}


@pytest.mark.parametrize(
    ("kind", "content", "options", "message"),
    [
        ("csv", "a,b\n1,2\n", {}, "no column of URIs or paths (it has 'a', 'b')"),
        ("csv", "path,b\n1,2\n", {"label_column": "c"}, "no column 'c'; it has 'path', 'b'"),
        ("csv", "path,x,x\n1,2,3\n", {}, "two columns 'x'"),
        ("csv", "", {}, "is empty"),
        ("csv", "path,label\n", {}, "names no images"),
        ("csv", '"path\n', {}, "no readable header"),
        ("txt", "\n# nothing\n", {}, "names no images"),
        ("txt", "a.jpg\n".encode("utf-16"), {}, "UTF-16"),
        ("jsonl", '{"a": 1}\n{"b": 1}\n', {}, "it has 'a'"),
        ("jsonl", '{"a": 1}\n', {"uri_column": "u"}, "no column 'u'; it has 'a'"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_in_one_line(
    kind: str, content: Any, options: Any, message: str
) -> None:
    source = source_of(content, kind, options=SourceOptions(**options))

    with pytest.raises(SourceError) as caught:
        items_of(source)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_changed_behind_a_cursor_is_refused() -> None:
    source = source_of("a.jpg\nb.jpg\n", "txt", options=SourceOptions(page_items=1))
    cursor = next(source.pages(None)).cursor
    changed = source_of("a.jpg\nc.jpg\n", "txt")

    with pytest.raises(SourceChanged, match="sha256"):
        items_of(changed, cursor)


@pytest.mark.parametrize(
    "cursor",
    ["", "{}", "[]", '{"v":1,"kind":"csv","place":{},"pin":{}}', '{"v":2,"kind":"txt"}'],
)
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(SourceError, match="cursor"):
        items_of(source_of("a.jpg\n", "txt"), cursor)


def test_a_cursor_without_its_place_is_refused() -> None:
    stream = ListInMemory(b"a.jpg\n")
    cursor = json.dumps({"v": 1, "kind": "txt", "place": {"offset": -1}, "pin": stream.pin()})

    with pytest.raises(SourceError, match="cursor cannot be read"):
        items_of(source_of("a.jpg\n", "txt"), cursor)


def test_pages_end_at_their_bytes_too() -> None:
    content = "\n".join("x" * 100 for _ in range(10))
    source = source_of(content, "txt", options=SourceOptions(page_items=100, page_bytes=250))

    assert [len(page.items) for page in source.pages(None)] == [3, 3, 3, 1]
