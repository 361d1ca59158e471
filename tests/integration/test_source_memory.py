"""Memory does not grow with the length of a list."""

import gc
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.local_sources import opened

LINES = 300_000
BOUND_BYTES = 6 * 2**20


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".parquet"])
def test_a_list_of_300000_lines_passes_through_little_memory(suffix: str, tmp_path: Path):
    path = tmp_path / f"list{suffix}"
    names = [f"/data/set/class {number % 1000}/image {number:08}.jpg" for number in range(LINES)]
    if suffix == ".parquet":
        pq.write_table(pa.table({"path": names}), path)
    else:
        path.write_text("\n".join([*(["path"] if suffix == ".csv" else []), *names]))
    del names
    source = opened(path, tmp_path / "spool")
    gc.collect()

    tracemalloc.start()
    try:
        count = sum(len(page.items) for page in source.pages(None))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == LINES
    assert peak_bytes < BOUND_BYTES
