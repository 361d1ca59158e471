"""Counts references that name the same image again: exactly at first, by a fair sample beyond.

Each URI becomes a 128-bit digest in a table on disk. When the table is full, the upper half of the
digest space is given up, and again each time it fills (adaptive sampling). Whether a URI is in the
sample hangs on its digest only, so each that is left has been counted since it first came: its
repeats, scaled by the share of the digest space that is left, estimate all repeats without bias,
and none is reported where there is none.
"""

import math
import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from shared.redaction import redact_uri

#: Up to so many different references the count is exact.
EXACT_REFERENCES = 5_000_000
_DIGEST_BYTES = 16
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536; -- KiB
CREATE TABLE seen (digest BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
"""
_COUNT = (
    "INSERT INTO seen VALUES (?, 1) "
    "ON CONFLICT (digest) DO UPDATE SET times = times + 1 RETURNING times"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateCount:
    """How many references repeat an earlier one; `standard_error` is 0 where that is exact."""

    repeated: int
    is_exact: bool
    standard_error: float
    examples: tuple[str, ...]


class DuplicateCounter(AbstractContextManager["DuplicateCounter"]):
    """Takes URIs, in any order, and says how many came before."""

    def __init__(
        self, *, work_dir: Path, exact_references: int = EXACT_REFERENCES, examples: int = 10
    ) -> None:
        self._folder = TemporaryDirectory(dir=work_dir, prefix="duplicates-")
        path = Path(self._folder.name) / "seen.sqlite"
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._limit = exact_references
        self._kept = 0
        self._halvings = 0
        self._end: bytes | None = None
        self._wanted_examples = examples
        self._examples: list[str] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def add(self, uris: Iterable[str]) -> None:
        """Take the URIs of one page."""
        self._database.execute("BEGIN")
        for uri in uris:
            self._add(uri)
        self._database.execute("COMMIT")

    def count(self) -> DuplicateCount:
        """Return the count of what was taken so far."""
        repeats, squares = self._database.execute(
            "SELECT coalesce(sum(times - 1), 0), coalesce(sum((times - 1) * (times - 1)), 0) "
            "FROM seen WHERE times > 1"
        ).fetchone()
        scale = 2**self._halvings
        return DuplicateCount(
            repeated=repeats * scale,
            is_exact=self._halvings == 0,
            # Horvitz-Thompson: each kept URI stands for `scale` of its like.
            standard_error=math.sqrt(squares * scale * (scale - 1)),
            examples=tuple(self._examples),
        )

    def _add(self, uri: str) -> None:
        digest = blake2b(uri.encode(), digest_size=_DIGEST_BYTES).digest()
        if self._end is not None and digest >= self._end:
            return
        times = self._database.execute(_COUNT, (digest,)).fetchone()[0]
        if times == 1:
            self._kept += 1
            while self._kept > self._limit:
                self._give_up_half()
        elif times == 2 and len(self._examples) < self._wanted_examples:
            self._examples.append(redact_uri(uri))

    def _give_up_half(self) -> None:
        self._halvings += 1
        self._end = (1 << (8 * _DIGEST_BYTES - self._halvings)).to_bytes(_DIGEST_BYTES)
        given_up = self._database.execute("DELETE FROM seen WHERE digest >= ?", (self._end,))
        self._kept -= given_up.rowcount
