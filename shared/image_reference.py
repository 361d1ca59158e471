"""An image reference: what the producer enumerates and a worker fetches.

In a message and in a chunk row, references travel as zstd-compressed JSON rows
`[index, uri, id, label, extra, problem]` with trailing nulls cut off.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

try:
    from compression import zstd
except ImportError:  # Python < 3.14
    from backports import zstd

#: The caller's extra columns, as compact JSON, may be this long; longer ones are refused.
MAX_EXTRA_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """One image of a job.

    `index` is its place in the job (0-based), `id` the caller's own name for it, `label` the true
    class index if known, `extra` the caller's columns, `problem` why a list line is no reference
    (then `uri` holds what was there, and the image becomes a `bad_reference` row).
    """

    index: int
    uri: str
    id: str | None = None
    label: int | None = None
    extra: Mapping[str, Any] | None = None
    problem: str | None = None


def reference_to_row(reference: ImageReference) -> list[Any]:
    """Return `[index, uri, id, label, extra, problem]` without trailing nulls."""
    row: list[Any] = [
        reference.index,
        reference.uri,
        reference.id,
        reference.label,
        dict(reference.extra) if reference.extra else None,
        reference.problem,
    ]
    while row[-1] is None:
        row.pop()
    return row


def reference_from_row(row: list[Any]) -> ImageReference:
    """Read what `reference_to_row` wrote."""
    padded: list[Any] = row + [None] * (6 - len(row))
    index, uri, id_, label, extra, problem = padded
    return ImageReference(index=index, uri=uri, id=id_, label=label, extra=extra, problem=problem)


def pack_references(references: Sequence[ImageReference]) -> bytes:
    """Compress references for a chunk row."""
    rows = [reference_to_row(reference) for reference in references]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    compressed: bytes = zstd.compress(text.encode())
    return compressed


def unpack_rows(packed: bytes) -> list[list[Any]]:
    """Return the rows of what `pack_references` wrote: the form a message carries."""
    rows: list[list[Any]] = json.loads(zstd.decompress(packed))
    return rows


def unpack_references(packed: bytes) -> list[ImageReference]:
    """Read what `pack_references` wrote."""
    return [reference_from_row(row) for row in unpack_rows(packed)]
