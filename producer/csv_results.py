"""Results as CSV: the first five answers in columns, all of them as JSON, safe in a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from producer.jsonl_results import json_text

#: Answers that have columns of their own; `topk` has them all.
FLAT_ANSWERS = 5

_PLAIN = (
    "index",
    "id",
    "uri",
    "label",
    "label_rank",
    "status",
    "reason",
)
_ANSWER = ("class_index", "class_id", "name", "probability")
_ORIGIN = ("artifact_digest", "recipe_digest", "input_sha256", "device")
COLUMNS = (
    *_PLAIN,
    *(f"top{place}_{part}" for place in range(1, FLAT_ANSWERS + 1) for part in _ANSWER),
    *_ORIGIN,
    "topk",
    "extra",
)

#: A spreadsheet takes a cell that begins so for a formula, or skips the character and looks on.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_csv(documents: Iterator[dict[str, Any]], stream: BinaryIO) -> None:
    """Write a heading and one record a document, in UTF-8; what is null is an empty cell."""
    text = io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", newline="")
    try:
        # Python quotes a carriage return only where the line ends hold one (as RFC 4180 has it).
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for document in documents:
            writer.writerow(_record(document))
    finally:
        text.flush()
        text.detach()


def _record(document: dict[str, Any]) -> list[object]:
    cells = [document[name] for name in _PLAIN]
    for answer in document["topk"][:FLAT_ANSWERS]:
        cells += [answer[part] for part in _ANSWER]
    cells += [None] * (len(_PLAIN) + FLAT_ANSWERS * len(_ANSWER) - len(cells))
    cells += [document[name] for name in _ORIGIN]
    cells.append(json_text(document["topk"]))
    cells.append(json_text(document["extra"]) if "extra" in document else None)
    return [_safe(cell) for cell in cells]


def _safe(cell: object) -> object:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell
