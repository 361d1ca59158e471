"""One supervised child process: its description, its start through the exec shim, its end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from producer.local_stack import exec_shim
from producer.local_stack.child_log import ChildLog


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What to run and how to treat it.

    `argv[0]` is an absolute path; `env` is added to this process's environment. `ready` is
    asked with the process id until it says yes (None: ready at once). Children of one `stage`
    start and stop together; a later stage starts when all earlier ones are ready and stops before
    them. If an `essential` child, or all of a stage, cannot be kept alive, everything ends. `mend`
    is given the last log lines after a death that came before readiness, and may repair what the
    next start needs.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    ready: Callable[[int], bool] | None = None
    ready_timeout_seconds: float = 30.0
    stop_grace_seconds: float = 10.0
    essential: bool = True
    inherited_descriptors: tuple[int, ...] = ()
    mend: Callable[[list[str]], None] | None = None


class ChildProcess:
    """At most one running process of a spec, the leader of a process group of its own.

    Its own group keeps a Ctrl-C of the terminal from reaching it before its turn, and lets its
    leftovers be swept when it ends.
    """

    def __init__(self, spec: ProcessSpec, *, log: ChildLog) -> None:
        self.spec = spec
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def age_seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._started_at

    def start(self) -> None:
        """Start it; only from the main thread, because the death signal follows the thread."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children are started from the main thread only")
        shim = str(Path(exec_shim.__file__).resolve())
        command = [sys.executable, "-I", "-S", shim, str(os.getpid()), *self.spec.argv]
        output = self.log.open()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the argv is our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.spec.env},
                pass_fds=self.spec.inherited_descriptors,
                start_new_session=True,
            )
        finally:
            os.close(output)
        self._started_at = time.monotonic()

    def reap(self) -> int | None:
        """Return its exit code if it has ended since the last call (negative: a signal)."""
        if self._process is None:
            return None
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self._signal_group(signal.SIGKILL)  # before the wait: the id cannot be reused yet
        exit_code = self._process.wait()
        self._process = None
        return exit_code

    def terminate(self) -> None:
        """Ask it to end; its own children are its own business."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and everything in its group, now, and wait for it."""
        if self._process is not None:
            self._signal_group(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _signal_group(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
