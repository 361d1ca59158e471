"""What stands in exported results, read back with other readers than the writers'."""

import csv
import json
import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.result_row import RankedClass, ResultRow
from tests.support.result_rows import BAD, GOOD, export_to_file, ranked

FORMATS = ("jsonl", "csv", "parquet")


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
    good, bad = _read_jsonl(export_to_file(tmp_path, [GOOD, BAD], format="jsonl"))

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

    redacted = export_to_file(tmp_path, rows, format=format).read_bytes()
    raw = export_to_file(tmp_path, rows, format=format, raw=True).read_bytes()

    assert b"secret" not in redacted
    assert b"user:pass" not in redacted
    assert b"cdn.example/3.jpg" in redacted
    assert b"user:pass@cdn.example/3.jpg?X-Amz-Signature=secret" in raw


def test_ids_that_are_no_addresses_are_kept_as_they_are(tmp_path):
    rows = [replace(GOOD, id="cat:12?x=1#2")]

    assert _read_jsonl(export_to_file(tmp_path, rows, format="jsonl"))[0]["id"] == "cat:12?x=1#2"


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
    back = _read_jsonl(export_to_file(tmp_path, rows, format="jsonl", raw=True))

    assert [{"extra": None, **document} for document in back] == _documents(rows)


@few
@given(st.lists(result_rows, max_size=4))
def test_parquet_comes_back_the_same(tmp_path, rows):
    table = pq.read_table(export_to_file(tmp_path, rows, format="parquet", raw=True))

    back = table.to_pylist()
    for row in back:
        row["extra"] = json.loads(row["extra"]) if row["extra"] is not None else None
    assert back == _documents(rows)


@few
@given(st.lists(result_rows, max_size=4))
def test_csv_comes_back_the_same_but_for_the_guard_of_formulas(tmp_path, rows):
    records = _read_csv(export_to_file(tmp_path, rows, format="csv", raw=True))

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
    good, bad = _read_csv(export_to_file(tmp_path, [GOOD, BAD], format="csv"))

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
    row = replace(GOOD, id=text, uri=text, device=text, topk=(ranked(1, name=text),))

    (record,) = _read_csv(export_to_file(tmp_path, [row], format="csv", raw=True))

    for column in ("id", "uri", "device", "top1_name"):
        assert record[column] == f"'{text}"
    assert not [cell for cell in record.values() if cell.startswith(start)]


@pytest.mark.parametrize("rows", [[], [BAD], [GOOD, BAD]])
def test_the_parquet_schema_is_the_same_whatever_the_rows(tmp_path, rows):
    schema = pq.read_schema(export_to_file(tmp_path, rows, format="parquet"))

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


def test_a_callers_nan_becomes_null_and_the_json_stays_json(tmp_path):
    extra = {"score": float("nan"), "list": [1.5, float("inf")], "deep": {"x": float("-inf")}}

    (row,) = _read_jsonl(export_to_file(tmp_path, [replace(GOOD, extra=extra)], format="jsonl"))

    assert row["extra"] == {"score": None, "list": [1.5, None], "deep": {"x": None}}


def test_undecodable_file_names_survive_in_json_and_are_escaped_elsewhere(tmp_path):
    row = replace(BAD, uri=os.fsdecode(b"/data/\xff.jpg"))

    (line,) = _read_jsonl(export_to_file(tmp_path, [row], format="jsonl", raw=True))
    (record,) = _read_csv(export_to_file(tmp_path, [row], format="csv", raw=True))
    table = pq.read_table(export_to_file(tmp_path, [row], format="parquet", raw=True))

    assert os.fsencode(line["uri"]) == b"/data/\xff.jpg"
    assert record["uri"] == r"/data/\udcff.jpg"
    assert table["uri"].to_pylist() == [r"/data/\udcff.jpg"]
