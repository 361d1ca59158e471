"""Exported results as files: whole or not there, in bounded memory, pipes included."""

import gc
import io
import os
import stat
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from producer import parquet_results
from producer.results_export import export_results
from shared.errors import UsageError
from tests.support.result_rows import BAD, GOOD, export_to_file

FORMATS = ("jsonl", "csv", "parquet")


def _many(count):
    return (replace(GOOD, index=index, uri=f"/data/{index:07d}.jpg") for index in range(count))


@pytest.mark.parametrize(("bound", "value"), [("ROWS_A_GROUP", 4096), ("BYTES_A_GROUP", 2**20)])
def test_parquet_closes_row_groups_at_either_bound(tmp_path, monkeypatch, bound, value):
    monkeypatch.setattr(parquet_results, bound, value)
    out = tmp_path / "many.parquet"

    export_results(_many(9000), format="parquet", out=out, with_raw_uris=False)

    assert pq.ParquetFile(out).metadata.num_row_groups >= 2
    indices = pq.read_table(out, columns=["index"])["index"].to_numpy()
    assert np.array_equal(indices, np.arange(9000))


@pytest.mark.long
@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch, format):
    monkeypatch.setattr(parquet_results, "ROWS_A_BATCH", 256)
    monkeypatch.setattr(parquet_results, "BYTES_A_GROUP", 2**18)

    def peak(count):
        gc.collect()
        arrow_before = pa.total_allocated_bytes()
        arrow_peak = 0

        def rows():
            nonlocal arrow_peak
            for row in _many(count):
                arrow_peak = max(arrow_peak, pa.total_allocated_bytes() - arrow_before)
                yield replace(row, uri=row.uri + "x" * 2000)

        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        export_results(rows(), format=format, out=tmp_path / "sized", with_raw_uris=False)
        return tracemalloc.get_traced_memory()[1] - before + arrow_peak

    tracemalloc.start()
    try:
        peak(10)
        small, large = peak(600), peak(2000)
    finally:
        tracemalloc.stop()

    assert large < small + 2**20


@pytest.mark.parametrize("format", FORMATS)
def test_a_failed_export_leaves_the_old_file_and_nothing_else(tmp_path, format):
    out = tmp_path / "results"
    out.write_text("old")

    def rows():
        yield GOOD
        raise RuntimeError("the store went away")

    with pytest.raises(RuntimeError, match="went away"):
        export_results(rows(), format=format, out=out, with_raw_uris=False)

    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_the_file_is_not_there_before_it_is_whole(tmp_path):
    out = tmp_path / "results.jsonl"

    def rows():
        yield GOOD
        assert not out.exists()
        yield BAD

    export_results(rows(), format="jsonl", out=out, with_raw_uris=False)

    assert out.read_bytes().count(b"\n") == 2
    assert list(tmp_path.iterdir()) == [out]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~umask


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    target, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    target.write_text("old")
    link.symlink_to(target)

    export_results([GOOD], format="jsonl", out=link, with_raw_uris=False)

    assert link.is_symlink()
    assert target.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_pipe_is_written_to_and_not_replaced(tmp_path, format):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        try:
            export_results([GOOD, BAD], format=format, out=pipe, with_raw_uris=False)
            assert stat.S_ISFIFO(pipe.stat().st_mode)
            received, _ = reader.communicate(timeout=20)
        finally:
            reader.kill()

    assert received == export_to_file(tmp_path, [GOOD, BAD], format=format).read_bytes()


@pytest.mark.parametrize("place", ["missing/results.csv", "folder"])
def test_a_place_that_cannot_be_written_is_a_one_line_error(tmp_path, place):
    (tmp_path / "folder").mkdir()

    with pytest.raises(UsageError, match=r"^cannot write .*: (No such file|Is a dir)") as raised:
        export_results([GOOD], format="csv", out=tmp_path / place, with_raw_uris=False)

    assert "\n" not in str(raised.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("format", FORMATS)
def test_standard_output_gets_the_same_bytes_and_stays_open(tmp_path, format, monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, "utf-8"))

    export_results([GOOD, BAD], format=format, out=None, with_raw_uris=False)
    sys.stdout.flush()

    assert buffer.getvalue() == export_to_file(tmp_path, [GOOD, BAD], format=format).read_bytes()


def test_parquet_does_not_go_to_a_terminal(monkeypatch):
    leader, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stdout, os.fdopen(leader, "rb"):
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(UsageError, match="name a file with -o FILE"):
            export_results([GOOD], format="parquet", out=None, with_raw_uris=False)


def test_json_and_csv_exports_do_without_pyarrow(tmp_path):
    code = (
        "import sys; from pathlib import Path; from producer.results_export import export_results;"
        "[export_results([], format=f, out=Path(sys.argv[1]), with_raw_uris=False)"
        " for f in ('jsonl', 'csv')]; sys.exit('pyarrow' in sys.modules)"
    )

    assert (
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=False).returncode
        == 0
    )
