"""Starts children in order, keeps them alive, and stops them in reverse order.

One loop in the main thread does it all; it looks twenty times a second, which costs nothing to
speak of and needs no locks.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from producer.local_stack.child_log import ChildLog
from producer.local_stack.child_process import ChildProcess, ProcessSpec
from producer.local_stack.restart_policy import RestartPolicy, decide_restart
from shared.errors import StackError
from shared.logs import get_log

TICK_SECONDS = 0.05
READY_TICK_SECONDS = 0.02
LOG_TRIM_SECONDS = 1.0
SAME_SIGNAL_SECONDS = 0.5
"""`timeout`, shells and process managers may send one wish twice; it still counts once."""
SHOWN_LOG_LINES = 10
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = get_log(__name__)


@dataclass(slots=True, kw_only=True)
class _Supervised:
    """A child and what the supervisor remembers of it."""

    child: ChildProcess
    is_ready: bool = False
    rapid_deaths: int = 0
    restart_at: float | None = None
    gave_up: bool = False

    @property
    def waits_for_first_start(self) -> bool:
        return self.child.pid is None and self.restart_at is None and not self.gave_up


class Supervisor:
    """Runs a set of children until a signal, the end of the caller's work, or a lost child."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        log_dir: Path,
        policy: RestartPolicy | None = None,
        max_log_bytes: int = 8 * 2**20,
    ) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        ordered = sorted(specs, key=lambda spec: spec.stage)
        self._all = [
            _Supervised(
                child=ChildProcess(
                    spec, log=ChildLog(log_dir / f"{spec.name}.log", max_bytes=max_log_bytes)
                )
            )
            for spec in ordered
        ]
        self._policy = policy or RestartPolicy()
        self._signals = 0
        self._signalled_at = 0.0
        self._trimmed_at = 0.0

    def run(
        self,
        *,
        when_ready: Callable[[], None] | None = None,
        until: Callable[[], bool] | None = None,
    ) -> None:
        """Supervise until SIGTERM, SIGINT or SIGHUP, or until `until` says so; then stop all.

        `when_ready` is called once, in this thread, when every child is ready.

        Raises:
            StackError: if an essential child gave up, or a second signal cut the stop short.
        """
        announced = False
        with self._signals_counted():
            try:
                while self._signals == 0 and not (until and until()):
                    self._tick()
                    if not announced and self._all_ready():
                        announced = True
                        if when_ready:
                            when_ready()
                    time.sleep(TICK_SECONDS if announced else READY_TICK_SECONDS)
            finally:
                self._stop()

    @contextmanager
    def _signals_counted(self) -> Iterator[None]:
        def count(_number: int, _frame: FrameType | None) -> None:
            if time.monotonic() - self._signalled_at > SAME_SIGNAL_SECONDS:
                self._signals += 1
                self._signalled_at = time.monotonic()

        watched = [s for s in STOP_SIGNALS if s != signal.SIGHUP or not _is_ignored(s)]
        previous = {number: signal.signal(number, count) for number in watched}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _tick(self) -> None:
        self._start_next_stage()
        for one in self._all:
            self._look_after(one)
        if time.monotonic() - self._trimmed_at > LOG_TRIM_SECONDS:
            self._trimmed_at = time.monotonic()
            for one in self._all:
                one.child.log.trim()

    def _start_next_stage(self) -> None:
        for one in self._all:
            if not one.waits_for_first_start:
                continue
            earlier = [o for o in self._all if o.child.spec.stage < one.child.spec.stage]
            if all(o.is_ready or o.gave_up for o in earlier):
                self._start(one)

    def _start(self, one: _Supervised) -> None:
        one.restart_at = None
        one.is_ready = False
        one.child.start()
        _log.info("process_started", process=one.child.spec.name, pid=one.child.pid)

    def _look_after(self, one: _Supervised) -> None:
        if one.restart_at is not None:
            if time.monotonic() >= one.restart_at:
                self._start(one)
            return
        if one.child.pid is None:
            return
        lived_seconds = one.child.age_seconds
        exit_code = one.child.reap()
        if exit_code is not None:
            self._on_death(one, exit_code=exit_code, lived_seconds=lived_seconds)
        elif not one.is_ready:
            self._ask_ready(one)

    def _ask_ready(self, one: _Supervised) -> None:
        spec, pid = one.child.spec, one.child.pid
        if spec.ready is None or (pid is not None and spec.ready(pid)):
            one.is_ready = True
            _log.info("process_ready", process=spec.name, seconds=round(one.child.age_seconds, 3))
        elif one.child.age_seconds > spec.ready_timeout_seconds:
            _log.warning("process_not_ready", process=spec.name)
            one.child.kill()
            self._on_death(one, exit_code=-signal.SIGKILL, lived_seconds=0.0)

    def _on_death(self, one: _Supervised, *, exit_code: int, lived_seconds: float) -> None:
        spec, log = one.child.spec, one.child.log
        if spec.mend and not one.is_ready:
            spec.mend(log.last_lines(SHOWN_LOG_LINES))
        decision = decide_restart(
            self._policy,
            rapid_deaths=one.rapid_deaths,
            lived_seconds=lived_seconds,
            exit_code=exit_code,
        )
        one.rapid_deaths = decision.rapid_deaths
        one.is_ready = False
        cause = _describe_exit(exit_code)
        if decision.delay_seconds is not None:
            one.restart_at = time.monotonic() + decision.delay_seconds
            delay = decision.delay_seconds
            _log.warning("process_died", process=spec.name, cause=cause, restart_seconds=delay)
            return
        one.gave_up = True
        message = _gave_up_message(one, cause=cause)
        _log.error("process_gave_up", process=spec.name, cause=cause, log=str(log.path))
        if spec.essential or self._is_lost(spec.stage):
            raise StackError(message)

    def _is_lost(self, stage: int) -> bool:
        return all(one.gave_up for one in self._all if one.child.spec.stage == stage)

    def _all_ready(self) -> bool:
        return all(one.is_ready or one.gave_up for one in self._all)

    def _stop(self) -> None:
        """Stop the stages, last first; a signal from now on ends everything hard."""
        signals_before = self._signals
        try:
            for stage in sorted({one.child.spec.stage for one in self._all}, reverse=True):
                children = [o.child for o in self._all if o.child.spec.stage == stage]
                self._stop_together(children, signals_before=signals_before)
        finally:
            for one in reversed(self._all):
                one.child.kill()

    def _stop_together(self, children: list[ChildProcess], *, signals_before: int) -> None:
        began = time.monotonic()
        for child in children:
            child.terminate()
        while alive := [child for child in children if child.pid is not None]:
            if self._signals > signals_before:
                raise StackError("a second signal ended everything at once")
            for child in alive:
                if child.reap() is not None:
                    _log.info("process_stopped", process=child.spec.name)
                elif time.monotonic() - began > child.spec.stop_grace_seconds:
                    _log.warning("process_killed", process=child.spec.name)
                    child.kill()
            time.sleep(READY_TICK_SECONDS)


def _is_ignored(number: signal.Signals) -> bool:
    """Whether the shell asked for that signal to be ignored, as nohup does."""
    return signal.getsignal(number) is signal.SIG_IGN


def _describe_exit(exit_code: int) -> str:
    if exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


def _gave_up_message(one: _Supervised, *, cause: str) -> str:
    spec, log = one.child.spec, one.child.log
    lines = "".join(f"\n  {line}" for line in log.last_lines(SHOWN_LOG_LINES))
    times = f"{one.rapid_deaths} times" if one.rapid_deaths > 1 else "once"
    return f"{spec.name} cannot be kept running: it died {times}, by {cause}; see {log.path}{lines}"
