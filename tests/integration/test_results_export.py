"""Results as files: read back with other readers than the writers'."""

import csv
import gc
import io
import json
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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer import parquet_results
from producer.result_row import RankedClass, ResultRow
from producer.results_export import export_results
from shared.errors import UsageError

FORMATS = ("jsonl", "csv", "parquet")


def _ranked(number, probability=0.5, name=None):
    return RankedClass(
        class_index=number,
        class_id=f"n{number:08d}",
        name=name if name is not None else f"class {number}",
        probability=probability,
    )


GOOD = ResultRow(
    index=3,
    id="own-3",
    uri="https://user:pass@cdn.example/3.jpg?X-Amz-Signature=secret",
    label=7,
    label_rank=2,
    status="predicted",
    reason=None,
    topk=tuple(_ranked(number, 0.5 / (number + 1)) for number in range(7)),
    artifact_digest="a" * 64,
    recipe_digest="b" * 64,
    input_sha256="c" * 64,
    device="cpu:0",
    extra={"photographer": "Ås", "stars": 4, "seen": None},
)
BAD = ResultRow(
    index=4,
    id=None,
    uri="/data/4.jpg",
    label=None,
    label_rank=None,
    status="failed",
    reason="truncated",
    topk=(),
    artifact_digest="a" * 64,
    recipe_digest="b" * 64,
    input_sha256=None,
    device="cpu:0",
)


def _export(tmp_path, rows, *, format, raw=False):
    out = tmp_path / f"results.{format}"
    written = export_results(iter(rows), format=format, out=out, with_raw_uris=raw)
    assert written == len(rows)
    return out


def _read_jsonl(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    lines = path.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    return [json.loads(line, parse_constant=refuse) for line in lines]


def _read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_a_json_line_has_exactly_the_promised_keys_in_order(tmp_path):
    good, bad = _read_jsonl(_export(tmp_path, [GOOD, BAD], format="jsonl"))

    promised = [
        *("index", "id", "uri", "label", "label_rank", "status", "reason", "topk"),
        *("artifact_digest", "recipe_digest", "input_sha256", "device"),
    ]
    assert list(good) == [*promised, "extra"]
    assert list(bad) == promised
    assert list(good["topk"][0]) == ["class_index", "class_id", "name", "probability"]
    assert good["topk"][6] == {
        "class_index": 6,
        "class_id": "n00000006",
        "name": "class 6",
        "probability": 0.5 / 7,
    }
    assert good["extra"] == {"photographer": "Ås", "stars": 4, "seen": None}
    assert (bad["topk"], bad["reason"], bad["id"]) == ([], "truncated", None)


@pytest.mark.parametrize("format", FORMATS)
def test_secrets_in_addresses_stay_out_of_every_format(tmp_path, format):
    rows = [GOOD, replace(GOOD, index=4, id=GOOD.uri)]

    redacted = _export(tmp_path, rows, format=format).read_bytes()
    raw = _export(tmp_path, rows, format=format, raw=True).read_bytes()

    assert b"secret" not in redacted
    assert b"user:pass" not in redacted
    assert b"cdn.example/3.jpg" in redacted
    assert b"user:pass@cdn.example/3.jpg?X-Amz-Signature=secret" in raw


def test_ids_that_are_no_addresses_are_kept_as_they_are(tmp_path):
    rows = [replace(GOOD, id="cat:12?x=1#2")]

    assert _read_jsonl(_export(tmp_path, rows, format="jsonl"))[0]["id"] == "cat:12?x=1#2"


float32s = st.floats(0, 1, width=32)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
result_rows = st.builds(
    ResultRow,
    index=st.integers(0, 2**60),
    id=st.none() | texts,
    uri=texts.map(lambda text: f"/data/{text}"),
    label=st.none() | st.integers(0, 2**31 - 1),
    label_rank=st.none() | st.integers(1, 10),
    status=st.sampled_from(["predicted", "failed"]),
    reason=st.none() | st.just("truncated"),
    topk=st.lists(
        st.builds(
            RankedClass,
            class_index=st.integers(0, 2**31 - 1),
            class_id=texts,
            name=texts,
            probability=float32s,
        ),
        max_size=10,
    ).map(tuple),
    artifact_digest=st.just("a" * 64),
    recipe_digest=st.just("b" * 64),
    input_sha256=st.none() | st.just("c" * 64),
    device=st.none() | st.just("cpu:0"),
    extra=st.none() | st.dictionaries(texts, st.integers() | texts | st.none(), min_size=1),
)
few = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def _documents(rows):
    documents = [row.document(with_raw_uri=True) for row in rows]
    return [{"extra": None, **document} for document in documents]


@few
@given(st.lists(result_rows, max_size=4))
def test_json_lines_come_back_the_same(tmp_path, rows):
    back = _read_jsonl(_export(tmp_path, rows, format="jsonl", raw=True))

    assert [{"extra": None, **document} for document in back] == _documents(rows)


@few
@given(st.lists(result_rows, max_size=4))
def test_parquet_comes_back_the_same(tmp_path, rows):
    table = pq.read_table(_export(tmp_path, rows, format="parquet", raw=True))

    back = table.to_pylist()
    for row in back:
        row["extra"] = json.loads(row["extra"]) if row["extra"] is not None else None
    assert back == _documents(rows)


@few
@given(st.lists(result_rows, max_size=4))
def test_csv_comes_back_the_same_but_for_the_guard_of_formulas(tmp_path, rows):
    records = _read_csv(_export(tmp_path, rows, format="csv", raw=True))

    for record, document in zip(records, _documents(rows), strict=True):
        assert json.loads(record["topk"]) == document["topk"]
        assert (json.loads(record["extra"]) if record["extra"] else None) == document["extra"]
        assert record["index"] == str(document["index"])
        assert record["id"].removeprefix("'") == (document["id"] or "").removeprefix("'")
        for place, answer in enumerate(document["topk"][:5], 1):
            assert float(record[f"top{place}_probability"]) == answer["probability"]
            assert record[f"top{place}_class_index"] == str(answer["class_index"])
            assert record[f"top{place}_name"].lstrip("'") == answer["name"].lstrip("'")


def test_a_csv_record_has_five_answers_in_columns_and_empty_cells_for_what_is_null(tmp_path):
    good, bad = _read_csv(_export(tmp_path, [GOOD, BAD], format="csv"))

    assert good["top1_class_id"] == "n00000000"
    assert good["top5_name"] == "class 4"
    assert float(good["top2_probability"]) == 0.25
    assert "top6_name" not in good
    assert len(json.loads(good["topk"])) == 7
    assert good["device"] == bad["device"] == "cpu:0"
    assert {name for name, cell in bad.items() if cell == ""} >= {
        "id",
        "label",
        "label_rank",
        "top1_class_id",
        "top5_probability",
        "input_sha256",
        "extra",
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_csv_cell_is_a_formula(tmp_path, start):
    text = f"{start}HYPERLINK(1)"
    row = replace(GOOD, id=text, uri=text, device=text, topk=(_ranked(1, name=text),))

    (record,) = _read_csv(_export(tmp_path, [row], format="csv", raw=True))

    for column in ("id", "uri", "device", "top1_name"):
        assert record[column] == f"'{text}"
    assert not [cell for cell in record.values() if cell.startswith(start)]


@pytest.mark.parametrize("rows", [[], [BAD], [GOOD, BAD]])
def test_the_parquet_schema_is_the_same_whatever_the_rows(tmp_path, rows):
    schema = pq.read_schema(_export(tmp_path, rows, format="parquet"))

    answer = pa.struct(
        [
            pa.field("class_index", pa.int32(), nullable=False),
            pa.field("class_id", pa.string(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("probability", pa.float32(), nullable=False),
        ]
    )
    types = {field.name: field.type for field in schema}
    assert types.pop("topk").value_type == answer
    assert types == {
        "index": pa.int64(),
        "id": pa.string(),
        "uri": pa.string(),
        "label": pa.int32(),
        "label_rank": pa.int32(),
        "status": pa.string(),
        "reason": pa.string(),
        "artifact_digest": pa.string(),
        "recipe_digest": pa.string(),
        "input_sha256": pa.string(),
        "device": pa.string(),
        "extra": pa.string(),
    }


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
                yield row

        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        export_results(rows(), format=format, out=tmp_path / "sized", with_raw_uris=False)
        return tracemalloc.get_traced_memory()[1] - before + arrow_peak

    tracemalloc.start()
    try:
        peak(10)
        small, large = peak(700), peak(2500)
    finally:
        tracemalloc.stop()

    assert large < small + 2**19


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

    assert len(_read_jsonl(out)) == 2
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
    assert len(_read_jsonl(target)) == 1


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, copy = tmp_path / "pipe", tmp_path / "copy"
    os.mkfifo(pipe)
    with copy.open("wb") as file, subprocess.Popen(["cat", str(pipe)], stdout=file) as reader:
        export_results([GOOD, BAD], format="parquet", out=pipe, with_raw_uris=False)
        assert reader.wait(timeout=20) == 0

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert pq.read_table(copy).num_rows == 2


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

    assert buffer.getvalue() == _export(tmp_path, [GOOD, BAD], format=format).read_bytes()


def test_parquet_does_not_go_to_a_terminal(monkeypatch):
    leader, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stdout, os.fdopen(leader, "rb"):
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(UsageError, match="name a file with -o FILE"):
            export_results([GOOD], format="parquet", out=None, with_raw_uris=False)


def test_a_callers_nan_becomes_null_and_the_json_stays_json(tmp_path):
    extra = {"score": float("nan"), "list": [1.5, float("inf")], "deep": {"x": float("-inf")}}

    (row,) = _read_jsonl(_export(tmp_path, [replace(GOOD, extra=extra)], format="jsonl"))

    assert row["extra"] == {"score": None, "list": [1.5, None], "deep": {"x": None}}


def test_undecodable_file_names_survive_in_json_and_are_escaped_elsewhere(tmp_path):
    row = replace(BAD, uri=os.fsdecode(b"/data/\xff.jpg"))

    (line,) = _read_jsonl(_export(tmp_path, [row], format="jsonl", raw=True))
    (record,) = _read_csv(_export(tmp_path, [row], format="csv", raw=True))
    table = pq.read_table(_export(tmp_path, [row], format="parquet", raw=True))

    assert os.fsencode(line["uri"]) == b"/data/\xff.jpg"
    assert record["uri"] == r"/data/\udcff.jpg"
    assert table["uri"].to_pylist() == [r"/data/\udcff.jpg"]


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
