"""Keeps what cannot be read twice or from an offset as a file of the job: a snapshot.

A spool is finished once its `.json` lies beside it; one that was cut off is written anew. Pins of
a spool are its digest, so that a spool which is lost and written again is the same only if its
content is.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from producer.sources.byte_streams import LocalFile
from producer.sources.cursor import Pin
from shared.errors import SourceUnavailable


class Spool:
    """A file that is filled on first use from `fill`, and then read like a local list.

    `folder` belongs to one job, `stem` tells its spools apart. `facts` about the process that
    filled it are kept with it, in its pin.
    """

    def __init__(
        self,
        fill: Callable[[], Iterable[bytes]],
        *,
        folder: Path,
        stem: str,
        name: str,
        facts: Pin | None = None,
    ) -> None:
        self.name = name
        self.path = folder / f"{stem}.spool"
        self._mark_path = folder / f"{stem}.spool.json"
        self._fill = fill
        self._facts = facts or {}

    @property
    def is_finished(self) -> bool:
        """Whether it has been filled, by this process or another."""
        return self._finished_pin() is not None

    def pin(self) -> Pin:
        """Return digest and size, after filling the spool if that has not been done."""
        pin = self._finished_pin()
        return self._write() if pin is None else pin

    def read_from(self, offset: int) -> Iterator[bytes]:
        """Yield chunks of the spool."""
        return LocalFile(self.path).read_from(offset)

    def _finished_pin(self) -> Pin | None:
        try:
            pin: Pin = json.loads(self._mark_path.read_bytes())
            return pin if self.path.stat().st_size == pin["size"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self) -> Pin:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._mark_path.unlink(missing_ok=True)
            pin = {**_replace(self.path, self._fill()), **self._facts}
            _replace(self._mark_path, [json.dumps(pin).encode()])
        except OSError as error:
            raise SourceUnavailable(
                f"{self.path.parent} cannot take the list of images: {error.strerror}"
            ) from error
        return pin


def _replace(path: Path, chunks: Iterable[bytes]) -> Pin:
    """Write a file whole or not at all, and say what it holds."""
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            size_bytes = file.tell()
            Path(file.name).rename(path)
        except BaseException:
            Path(file.name).unlink()
            raise
    return {"sha256": digest.hexdigest(), "size": size_bytes}
