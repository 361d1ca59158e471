"""One data folder, one stack: a lock that the kernel drops when its holders are gone."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import StackError

RETRY_SECONDS = 0.05


@contextmanager
def locked_data_dir(data_dir: Path, *, patience_seconds: float = 2.0) -> Iterator[int]:
    """Hold the folder's lock; yields the descriptor, for a child that shall hold it too.

    Waits a moment, because the children of a killed stack take some milliseconds to go.

    Raises:
        StackError: if another process keeps it; the message names that process.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up_at = time.monotonic() + patience_seconds
        while not _try_lock(descriptor):
            if time.monotonic() > give_up_at:
                holder = path.read_text().strip() or "unknown"
                raise StackError(
                    f"the data folder {data_dir} is in use by process {holder}: "
                    "stop that one, or choose another with --data-dir"
                )
            time.sleep(RETRY_SECONDS)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
