"""The log file of one supervised child: written by the child itself, kept bounded by us."""

import os
import shutil
from pathlib import Path

TAIL_BYTES = 16 * 2**10
"""Enough for the last lines of a trace; bounds what a give-up message reads."""


class ChildLog:
    """A file that a child appends to through its own descriptor, so no pipe can ever fill.

    It is cut in place when it outgrows `max_bytes` (the newest part is kept beside it as
    `.1`); what a child writes between the copy and the cut is lost, which a log may.
    """

    def __init__(self, path: Path, *, max_bytes: int = 8 * 2**20) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._run_began_at = 0

    def open(self) -> int:
        """Open a descriptor for a new run of the child; the caller closes it."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._run_began_at = os.fstat(descriptor).st_size
        return descriptor

    def trim(self) -> None:
        """Cut the file if it has outgrown its bound."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size <= self._max_bytes:
            return
        older = self.path.with_name(self.path.name + ".1")
        with self.path.open("rb") as source, older.open("wb") as target:
            source.seek(size - self._max_bytes)
            shutil.copyfileobj(source, target)
        os.truncate(self.path, 0)
        self._run_began_at = 0

    def last_lines(self, count: int) -> list[str]:
        """Read the last lines that the current run wrote, oldest first."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as source:
            size = source.seek(0, os.SEEK_END)
            source.seek(max(min(self._run_began_at, size), size - TAIL_BYTES))
            text = source.read().decode("utf-8", errors="replace")
        return [line for line in text.splitlines() if line.strip()][-count:]
