"""The heartbeat: renews the leases of all chunks this process holds, while it makes progress.

It also re-arms the watchdog of last resort: `faulthandler` ends the process, from a C thread, when
this thread cannot run for long (a library that hangs while it holds the interpreter lock).
"""

import faulthandler
import os
import threading
import time

from shared.errors import StoreUnavailable
from shared.logs import get_log
from shared.store import artifacts, chunks
from worker.worker_state import WorkerState

_log = get_log(__name__)

#: Exit code of a worker that made no progress: its supervisor starts a fresh one.
EXIT_STALLED = 75
#: Celery may replace sys.stderr; the descriptor stays.
STANDARD_ERROR = 2


class Heartbeat:
    """A thread that beats every third of a lease."""

    def __init__(self, state: WorkerState) -> None:
        self._state = state
        self._beat_at = time.monotonic()
        self._was_busy = False
        self._stopping = threading.Event()
        self._moved_at = time.monotonic()
        self._last_handled = -1
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and disarm the watchdog."""
        self._stopping.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def _run(self) -> None:
        try:
            self._beat_until_stopped()
        except Exception:  # noqa: BLE001 - whatever it is, a worker without a heartbeat must end
            _log.exception("heartbeat_crashed")
            os._exit(EXIT_STALLED)

    def _beat_until_stopped(self) -> None:
        while not self._stopping.wait(self._state.settings.lease_seconds / 3):
            faulthandler.dump_traceback_later(
                self._state.settings.stall_seconds, exit=True, file=STANDARD_ERROR
            )
            if self._is_stalled():
                _log.error("worker_stalled", seconds=self._state.settings.stall_seconds)
                faulthandler.dump_traceback(file=STANDARD_ERROR)
                os._exit(EXIT_STALLED)  # threads that hang cannot be ended in any other way
            self._beat()

    def _is_stalled(self) -> bool:
        """Say whether chunks are held and no stage has moved for `stall_seconds`."""
        handled = self._state.clock.handled()
        if handled != self._last_handled or not self._state.held.epochs():
            self._last_handled = handled
            self._moved_at = time.monotonic()
        return time.monotonic() - self._moved_at > self._state.settings.stall_seconds

    def _beat(self) -> None:
        held = self._state.held.epochs()
        rates = self._rates(is_busy=bool(held))
        try:
            with self._state.store.write() as connection:
                lost = chunks.renew(
                    connection,
                    held,
                    worker_key=self._state.key,
                    lease_seconds=self._state.settings.lease_seconds,
                )
                artifacts.see_worker(connection, self._state.key)
                artifacts.tell_rates(connection, self._state.key, rates)
        except StoreUnavailable as error:
            _log.warning("store_unavailable", error=str(error))
            return
        if lost:
            # A chunk that was finished in this very moment is no longer held, and no loss.
            self._state.held.lose(lost)

    def _rates(self, *, is_busy: bool) -> dict[str, float]:
        """End the meter's interval; the worker was busy in it if it was at both of its ends."""
        clock = time.monotonic()
        seconds, self._beat_at = clock - self._beat_at, clock
        was_busy, self._was_busy = self._was_busy, is_busy
        return self._state.meter.close_interval(seconds, was_busy=was_busy and is_busy)
