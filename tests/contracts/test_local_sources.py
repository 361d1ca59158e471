"""What every source of this machine keeps to."""

import io
from pathlib import Path
from typing import Any

import pytest

from producer.sources.base import Source
from tests.support.local_sources import NAMES, list_text, opened, write_folder, write_list
from tests.support.source_reading import assert_resumes_everywhere, items_of

KINDS = ["folder", "-", "l.txt", "l.csv", "l.tsv", "l.jsonl", "l.parquet", "l.csv.gz", "l.txt.gz"]


def source_of_kind(kind: str, tmp_path: Path, **options: Any) -> Source:
    data = tmp_path / "data"
    spool_dir = tmp_path / "spool"
    data.mkdir(exist_ok=True)
    if kind == "folder":
        return opened(write_folder(data), spool_dir, **options)
    if kind == "-":
        stream = io.BytesIO(list_text(".txt").encode())
        return opened("-", spool_dir, standard_input=stream, **options)
    return opened(write_list(data / kind), spool_dir, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("page_items", [1, 5, 100])
def test_each_cursor_is_followed_by_exactly_the_rest(
    kind: str, page_items: int, tmp_path: Path
) -> None:
    source = source_of_kind(kind, tmp_path, page_items=page_items)

    pages = assert_resumes_everywhere(source)

    items = [item for page in pages for item in page.items]
    base = Path.cwd() if kind == "-" else tmp_path / "data"
    expected = sorted(NAMES) if kind == "folder" else NAMES
    assert [item.uri for item in items] == [str(base / name) for name in expected]
    assert {len(page.items) for page in pages[:-1]} <= {page_items}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cursor_holds_for_a_source_that_is_opened_again(kind: str, tmp_path: Path) -> None:
    pages = list(source_of_kind(kind, tmp_path, page_items=10).pages(None))
    again = opened(
        {"folder": str(tmp_path / "data"), "-": "-"}.get(kind, str(tmp_path / "data" / kind)),
        tmp_path / "spool",
    )

    assert items_of(again, pages[0].cursor) == [*pages[1].items, *pages[2].items]
    assert items_of(again, pages[-1].cursor) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 7, 23, 50])
def test_a_limit_ends_the_source_from_every_cursor(kind: str, limit: int, tmp_path: Path) -> None:
    source = source_of_kind(kind, tmp_path, page_items=3, limit=limit)

    pages = assert_resumes_everywhere(source)

    assert sum(len(page.items) for page in pages) == min(limit, len(NAMES))
