"""Results as Parquet, with one schema for every job: a column without values keeps its type."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from producer.jsonl_results import json_text

#: Rows that are Python objects at one time.
ROWS_A_BATCH = 2048
#: A row group is closed at either bound: few groups for readers, little memory here.
ROWS_A_GROUP = 65_536
BYTES_A_GROUP = 16 * 2**20

SCHEMA = pa.schema(
    [
        pa.field("index", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("label", pa.int32()),
        pa.field("label_rank", pa.int32()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field(
            "topk",
            pa.list_(
                pa.struct(
                    [
                        pa.field("class_index", pa.int32(), nullable=False),
                        pa.field("class_id", pa.string(), nullable=False),
                        pa.field("name", pa.string(), nullable=False),
                        pa.field("probability", pa.float32(), nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
        pa.field("artifact_digest", pa.string(), nullable=False),
        pa.field("recipe_digest", pa.string(), nullable=False),
        pa.field("input_sha256", pa.string()),
        pa.field("device", pa.string()),
        pa.field("extra", pa.string(), metadata={"content": "JSON of the caller's columns"}),
    ]
)


def write_parquet(documents: Iterator[dict[str, Any]], stream: BinaryIO) -> None:
    """Write the documents in row groups of bounded size; `extra` is JSON text."""
    with pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
        group: list[Any] = []
        for batch in _batches(documents):
            group.append(batch)
            rows = sum(part.num_rows for part in group)
            if rows >= ROWS_A_GROUP or sum(part.nbytes for part in group) >= BYTES_A_GROUP:
                writer.write_table(pa.Table.from_batches(group, SCHEMA))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group, SCHEMA))


def _batches(documents: Iterator[dict[str, Any]]) -> Iterator[Any]:
    while (batch := _batch(documents)).num_rows:
        yield batch


def _batch(documents: Iterator[dict[str, Any]]) -> Any:
    """Turn the next documents into a batch, and keep none of them as a Python object."""
    rows = [_row(document) for document in islice(documents, ROWS_A_BATCH)]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def _row(document: dict[str, Any]) -> dict[str, Any]:
    row = {
        name: _unicode(value) if isinstance(value, str) else value
        for name, value in document.items()
    }
    row["extra"] = json_text(document["extra"]) if "extra" in document else None
    return row


def _unicode(text: str) -> str:
    """Write the undecodable bytes of a file name as escapes: Parquet takes only UTF-8."""
    return text.encode(errors="backslashreplace").decode()
