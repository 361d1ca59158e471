"""Loops over SQL that one process at a time runs: enumerate, fill, reconcile, fold.

Every process of a kind may run every loop; a lease in SQL lets one through. A dead leader is
replaced when its lease runs out.
"""

import os
import socket
import threading
from collections.abc import Callable
from uuid import uuid4

from shared.errors import StoreUnavailable
from shared.logs import get_log
from shared.store import leases
from shared.store.engine import Store

_log = get_log(__name__)

#: How long a leader may be silent before another takes over.
LEADER_LEASE_SECONDS = 3.0


class LeaderLoop:
    """One loop in its own thread: `step` runs every `poll_seconds` while the lease is held.

    `step` returns True to be called again at once. An error other than an unreachable store
    ends the process: its supervisor starts a fresh one.
    """

    def __init__(
        self, name: str, step: Callable[[], bool], *, store: Store, poll_seconds: float
    ) -> None:
        self._name = name
        self._step = step
        self._store = store
        self._poll_seconds = poll_seconds
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step that runs, give the lease up, and end the thread."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._turn():
                    self._stopping.wait(self._poll_seconds)
            self._give_up()
        except Exception:  # noqa: BLE001 - whatever it is, the process ends loudly
            _log.exception("loop_crashed", loop=self._name)
            os._exit(70)  # the other loops of this process must not go on without this one

    def _turn(self) -> bool:
        try:
            with self._store.write() as connection:
                leading = leases.hold(
                    connection, name=self._name, owner=self._owner, seconds=LEADER_LEASE_SECONDS
                )
            return leading and self._step()
        except StoreUnavailable as error:
            _log.warning("store_unavailable", loop=self._name, error=str(error))
            return False

    def _give_up(self) -> None:
        try:
            with self._store.write() as connection:
                leases.give_up(connection, name=self._name, owner=self._owner)
        except StoreUnavailable as error:
            _log.warning("store_unavailable", loop=self._name, error=str(error))
