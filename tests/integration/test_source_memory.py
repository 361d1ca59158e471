"""Memory does not grow with the length of a list, nor with the length of a line."""

import gc
import sys
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.local_sources import opened

pytestmark = pytest.mark.long

LINES = 300_000
#: A page of 2,000 items is some 10,000 objects; to keep every URI would take 270,000 more.
GROWTH_OBJECTS = 25_000
ARROW_BYTES = 24 * 2**20


def write_long_list(path: Path) -> None:
    names = [f"/data/set/class {number % 1000}/image {number:08}.jpg" for number in range(LINES)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"path": names}), path)
    else:
        path.write_text("\n".join(["path", *names]))


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".parquet"])
def test_a_list_of_300000_lines_leaves_nothing_in_memory(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"list{suffix}"
    write_long_list(path)
    gc.collect()

    count, objects, arrow_bytes = 0, [], []
    for page in opened(path, tmp_path / "spool").pages(None):
        count += len(page.items)
        objects.append(sys.getallocatedblocks())
        arrow_bytes.append(pa.total_allocated_bytes())

    assert count >= LINES
    assert max(objects) - min(objects) < GROWTH_OBJECTS
    assert max(arrow_bytes) < ARROW_BYTES


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl"])
def test_a_line_of_50_megabytes_passes_through_little_memory(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"list{suffix}"
    first = '{"path": "a"}' if suffix == ".jsonl" else "path"
    with path.open("wb") as file:
        file.write(f"{first}\n".encode())
        for _ in range(50):
            file.write(b"x" * 2**20)
        file.write(f"\n{first}\n".encode())

    tracemalloc.start()
    try:
        items = [i for page in opened(path, tmp_path / "spool").pages(None) for i in page.items]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [item.problem is None for item in items][-2:] == [False, True]
    assert peak_bytes < 4 * 2**20
