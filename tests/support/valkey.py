"""A real Valkey for tests: on a Unix socket or a free TCP port, kept on disk or not."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis

from producer.local_stack import exec_shim
from producer.local_stack.embedded_valkey import (
    answers_ping,
    redis_urls,
    valkey_argv,
    valkey_binary,
)

START_SECONDS = 10.0


def free_tcp_port() -> int:
    """A port of the loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ValkeyServer:
    """One server that a test may stop, kill, restart and empty; its address stays the same.

    It dies with the test process. `persistent` keeps an append-only file over restarts; without
    it every restart is a server that lost everything.
    """

    def __init__(self, *, persistent: bool = False, tcp: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="nv-"))
        self._socket_path = self._folder / "s"
        self._port = free_tcp_port() if tcp else 0
        self._persistent = persistent
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def broker_url(self) -> str:
        """For Celery, kombu and NESTOR_REDIS_URL."""
        if self._port:
            return f"redis://127.0.0.1:{self._port}/0"
        return redis_urls(self._socket_path).broker

    @property
    def client_url(self) -> str:
        """For redis-py."""
        return self.broker_url if self._port else redis_urls(self._socket_path).client

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def client(self) -> redis.Redis:
        """A new redis-py client; close it, or use it in a `with`."""
        return redis.Redis.from_url(self.client_url)

    def start(self) -> None:
        assert self._process is None, "the server is running already"
        with (self._folder / "log").open("ab") as log:
            shim = [sys.executable, "-I", "-S", exec_shim.__file__, str(os.getpid())]
            self._process = subprocess.Popen([*shim, *self._argv()], stdout=log, stderr=log)
        give_up_at = time.monotonic() + START_SECONDS
        while not answers_ping(self.client_url):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"the test Valkey did not start:\n{self.log}")
            time.sleep(0.005)

    def stop(self) -> None:
        """End it in order (SIGTERM); fine if it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self, *, kill: bool = False, down_seconds: float = 0.0) -> None:
        """End it, leave it away for a while, and start it again at the same address."""
        self._end(signal.SIGKILL if kill else signal.SIGTERM)
        time.sleep(down_seconds)
        self.start()

    def flush_all(self) -> None:
        """Empty it, as a mistaken operator would."""
        with self.client() as client:
            client.flushall()

    def close(self) -> None:
        """Kill it and remove all that it wrote."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        self._process.wait(timeout=30)
        self._process = None

    def _argv(self) -> list[str]:
        argv = valkey_argv(
            binary=valkey_binary(), data_dir=self._folder, socket_path=self._socket_path
        )
        return [
            *argv,
            *("--appendonly", "yes" if self._persistent else "no"),
            *("--port", str(self._port), "--bind", "127.0.0.1"),
        ]
