"""Where a running stack is written down, so that commands on this machine find it."""

import contextlib
import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from shared.errors import SettingsError
from shared.settings import Settings

START_TIME_FIELD = 22
"""Of /proc/PID/stat, counted from 1: when the process started, in ticks since boot."""


class RunningStack(BaseModel):
    """The addresses of a stack and the process that keeps it up.

    The process is named by id and start time together, because ids are used again.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    process_start_ticks: int
    store_url: str
    redis_url: str
    api_port: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the process that wrote this still runs."""
        return process_start_ticks(self.pid) == self.process_start_ticks


def process_start_ticks(pid: int) -> int | None:
    """When a process started, or None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = text.rpartition(")")[2].split()  # the name may hold spaces and brackets
    state, start_ticks = after_name[0], int(after_name[START_TIME_FIELD - 3])
    return None if state in "ZX" else start_ticks


def write_stack_file(path: Path, stack: RunningStack) -> None:
    """Write it whole or not at all, readable by its owner only: addresses may hold passwords."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as target:
        target.write(stack.model_dump_json(indent=2) + "\n")
    temporary.replace(path)


def remove_stack_file(path: Path) -> None:
    """Take it away when the stack has stopped; fine if it is gone already."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def read_stack_file(path: Path) -> RunningStack | None:
    """Read the running stack; None if there is no file, or the stack it tells of is gone.

    Raises:
        SettingsError: if the file is not one of ours.
    """
    try:
        stack = RunningStack.model_validate(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: remove it and start `nestor up`") from error
    return stack if stack.is_alive else None


def connect_to_running_stack(settings: Settings) -> Settings:
    """Fill in the store's and Redis' address: from NESTOR_*, else from a running `nestor up`.

    An address that is set must be the running stack's too before the other one is taken from
    there: a store and a Redis of two different systems never meet.

    Raises:
        SettingsError: if an address is still missing; the message says what to do.
    """
    if settings.store_url is not None and settings.redis_url is not None:
        return settings
    stack = read_stack_file(settings.stack_file)
    if stack is None:
        missing = _missing_variables(settings)
        raise SettingsError(
            f"no running `nestor up` in {settings.data_dir}: start one, point NESTOR_DATA_DIR "
            f"at its folder, or set {missing}"
        )
    for given, running, variable in (
        (settings.store_url, stack.store_url, "NESTOR_STORE_URL"),
        (settings.redis_url, stack.redis_url, "NESTOR_REDIS_URL"),
    ):
        if given is not None and given.get_secret_value() != running:
            raise SettingsError(
                f"{variable} is not what `nestor up` in {settings.data_dir} uses: "
                f"unset it, or set {_missing_variables(settings)} too"
            )
    addresses = {
        "store_url": SecretStr(stack.store_url),
        "redis_url": SecretStr(stack.redis_url),
    }
    return settings.model_copy(update=addresses)


def _missing_variables(settings: Settings) -> str:
    missing = {
        "NESTOR_STORE_URL": settings.store_url is None,
        "NESTOR_REDIS_URL": settings.redis_url is None,
    }
    return " and ".join(name for name, is_missing in missing.items() if is_missing)
