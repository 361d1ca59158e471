import gzip
import io
import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import SourceChanged, SourceError, SourceUnavailable
from tests.support.local_sources import opened, write_list
from tests.support.source_reading import assert_resumes_everywhere, items_of

SUFFIXES = [".txt", ".csv", ".tsv", ".jsonl", ".parquet"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_list_that_was_touched_behind_a_cursor_is_refused(suffix: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / f"list{suffix}")
    cursor = next(opened(path, tmp_path / "spool", page_items=2).pages(None)).cursor
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))

    with pytest.raises(SourceChanged, match=r"changed while .* \(mtime_ns\)"):
        items_of(opened(path, tmp_path / "spool"), cursor)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_list_that_grows_while_it_is_read_is_refused(suffix: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / f"list{suffix}")
    pages = opened(path, tmp_path / "spool", page_items=2).pages(None)
    next(pages)
    with path.open("ab") as file:
        file.write(b"another.jpg\n")

    with pytest.raises(SourceChanged, match="size"):
        list(pages)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.txt.gz", b"no gzip", "no whole gzip file"),
        ("list.txt.gz", gzip.compress(b"a.jpg\n" * 99)[:-9], "no whole gzip file"),
        ("list.parquet", b"no parquet", "no whole Parquet file"),
        ("list.doc", b"x", "cannot tell what"),
        ("image.jpg", b"x", "cannot tell what"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_one_line(
    tmp_path: Path, name: str, content: Any, message: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SourceError) as caught:
        items_of(opened(tmp_path / name, tmp_path / "spool"))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("/not/there", "does not exist: check the path"),
        ("/not/there.csv", "does not exist: check the path"),
        ("gs://bucket/x", "gs:// cannot be read: use a path, http, https or s3"),
        ("https://user:secret@h/list?key=secret", "cannot tell what https://h/list is"),
        ("-", "standard input was not kept with the job"),
        ("s3://", "names no bucket"),
    ],
)
def test_a_source_that_is_none_is_refused_without_its_secrets(
    spec: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        opened(spec, tmp_path / "spool")

    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_list_format_that_is_named_wins_over_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("path,x\na.jpg,1\n")

    items = items_of(opened(path, tmp_path / "spool", list_format="csv"))

    assert [(item.uri, item.extra) for item in items] == [(f"{tmp_path}/a.jpg", {"x": "1"})]


def test_standard_input_is_kept_for_the_process_that_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    stream = io.BytesIO(b"path\na.jpg\nb.jpg\n")
    opened("-", tmp_path / "spool", list_format="csv", standard_input=stream)
    monkeypatch.chdir(tmp_path)

    items = items_of(opened("-", tmp_path / "spool", list_format="csv"))

    assert [item.uri for item in items] == [f"{tmp_path}/here/a.jpg", f"{tmp_path}/here/b.jpg"]


def test_a_parquet_list_on_standard_input_is_read(tmp_path: Path) -> None:
    write_list(tmp_path / "list.parquet")
    with (tmp_path / "list.parquet").open("rb") as stream:
        source = opened("-", tmp_path / "spool", list_format="parquet", standard_input=stream)

    assert len(items_of(source)) == 23


def test_a_spool_that_cannot_be_written_is_not_the_fault_of_the_source(tmp_path: Path) -> None:
    write_list(tmp_path / "list.txt.gz")
    (tmp_path / "spool").write_bytes(b"a file where a folder should be")

    with pytest.raises(SourceUnavailable, match="cannot take the list of images"):
        items_of(opened(tmp_path / "list.txt.gz", tmp_path / "spool"))


def test_a_parquet_list_carries_what_json_can_hold_and_leaves_bytes_out(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": pa.array([b"\xff\xd8"]),
            "url": ["a.jpg"],
            "label": pa.array(["cat"]).dictionary_encode(),
            "score": [float("nan")],
            "price": [Decimal("1.50")],
            "day": [date(2025, 1, 5)],
            "tags": [["x", "y"]],
            "box": [{"left": 1, "score": float("inf")}],
            "thumbs": [[b"\0"]],
            "nothing": pa.array([None], pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "list.parquet")

    (item,) = items_of(opened(tmp_path / "list.parquet", tmp_path / "spool"))

    assert (item.uri, item.label, item.line) == (f"{tmp_path}/a.jpg", "cat", 1)
    assert item.extra == {
        "label": "cat",
        "price": "1.50",
        "day": "2025-01-05",
        "tags": ["x", "y"],
        "box": {"left": 1, "score": None},
    }
    json.dumps(item.extra, allow_nan=False)


def test_a_row_group_of_many_batches_is_resumed_at_its_row(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(4500)]
    pq.write_table(pa.table({"path": names}), tmp_path / "list.parquet", row_group_size=3200)

    pages = assert_resumes_everywhere(
        opened(tmp_path / "list.parquet", tmp_path / "spool", page_items=1300)
    )

    items = [item for page in pages for item in page.items]
    assert [item.uri for item in items] == [f"{tmp_path}/{name}" for name in names]
    assert [item.line for item in items] == list(range(1, 4501))


def test_parquet_rows_that_are_no_references_are_problems_with_their_numbers(
    tmp_path: Path,
) -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 5, pa.array([b"a", None, b"\xff", b"", b"b"]).buffers()
    )
    table = pa.table({"path": bad, "label": [1.0, 2.0, 3.0, 4.0, 5.0]})
    pq.write_table(table, tmp_path / "list.parquet", row_group_size=2)

    items = items_of(opened(tmp_path / "list.parquet", tmp_path / "spool", label_column="label"))

    assert [item.problem for item in items] == [
        None,
        "it has no 'path'",
        "its 'path' is not valid UTF-8",
        "it names no image",
        None,
    ]
    assert [item.line for item in items] == [1, 2, 3, 4, 5]
    assert [items[0].label, items[4].label] == ["1", "5"]


def test_a_parquet_list_without_rows_or_without_uris_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")

    with pytest.raises(SourceError, match="has no rows"):
        items_of(opened(tmp_path / "empty.parquet", tmp_path / "spool"))
    with pytest.raises(SourceError, match="it has 'x'"):
        items_of(opened(tmp_path / "other.parquet", tmp_path / "spool"))


def test_a_parquet_list_that_is_damaged_inside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    names = [f"{number:032x}.jpg" for number in range(5000)]
    pq.write_table(pa.table({"path": names}), path, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[50:4000] = bytes(3950)
    path.write_bytes(data)

    with pytest.raises(SourceError, match="damaged in row group 0"):
        items_of(opened(path, tmp_path / "spool"))
