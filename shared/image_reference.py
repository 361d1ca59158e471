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


def pack_references(references: Sequence[ImageReference]) -> bytes:
    """Compress references for a chunk row or a message."""
    rows: list[list[Any]] = []
    for reference in references:
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
        rows.append(row)
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    compressed: bytes = zstd.compress(text.encode())
    return compressed


def unpack_references(packed: bytes) -> list[ImageReference]:
    """Read what `pack_references` wrote."""
    references = []
    for row in json.loads(zstd.decompress(packed)):
        index, uri, id_, label, extra, problem = row + [None] * (6 - len(row))
        references.append(
            ImageReference(
                index=index, uri=uri, id=id_, label=label, extra=extra, problem=problem
            )
        )
    return references
