"""Results as JSON lines: one object an image, strict JSON in UTF-8."""

import json
import math
from collections.abc import Iterator
from typing import Any, BinaryIO


def write_jsonl(documents: Iterator[dict[str, Any]], stream: BinaryIO) -> None:
    """Write one line a document."""
    for document in documents:
        stream.write(json_text(document).encode() + b"\n")


def json_text(value: object) -> str:
    """Return compact JSON that every reader takes.

    Numbers that JSON does not know (a caller's NaN) become null; text that UTF-8 does not know
    (the undecodable bytes of a file name) is written as escapes, so that it comes back as it was.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json_text(_finite(value))
    return text if _is_unicode(text) else json.dumps(value, separators=(",", ":"))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
