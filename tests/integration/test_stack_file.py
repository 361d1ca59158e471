"""How commands find a running stack, and how they are not fooled by one that is gone."""

import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from producer.local_stack.stack_file import (
    RunningStack,
    connect_to_running_stack,
    process_start_ticks,
    read_stack_file,
    remove_stack_file,
    write_stack_file,
)
from shared.errors import SettingsError
from shared.settings import Settings


def running_stack(**changes: object) -> RunningStack:
    fields = {
        "pid": os.getpid(),
        "process_start_ticks": process_start_ticks(os.getpid()),
        "store_url": "sqlite:////data/nestor.sqlite3",
        "redis_url": "redis+socket:///run/s",
    }
    return RunningStack.model_validate(fields | changes)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "stack.json"

    write_stack_file(path, running_stack(api_port=8000))

    assert read_stack_file(path) == running_stack(api_port=8000)


def test_only_the_owner_can_read_the_addresses(tmp_path):
    path = tmp_path / "stack.json"
    path.write_text("old")
    path.chmod(0o644)

    write_stack_file(path, running_stack())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_stack_whose_process_is_gone_does_not_run(tmp_path):
    path = tmp_path / "stack.json"
    child = os.spawnv(os.P_NOWAIT, "/bin/true", ["true"])
    os.waitpid(child, 0)

    write_stack_file(path, running_stack(pid=child))

    assert read_stack_file(path) is None


def test_a_stack_whose_process_id_was_used_again_does_not_run(tmp_path):
    path = tmp_path / "stack.json"
    earlier = running_stack().process_start_ticks - 100

    write_stack_file(path, running_stack(process_start_ticks=earlier))

    assert read_stack_file(path) is None


def test_a_process_that_has_ended_but_is_not_reaped_does_not_run():
    child = os.spawnv(os.P_NOWAIT, "/bin/true", ["true"])
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    assert process_start_ticks(child) is None
    os.waitpid(child, 0)


def test_a_damaged_stack_file_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "stack.json"
    path.write_text('{"pid": "x')

    with pytest.raises(SettingsError, match=r"stack\.json cannot be read: remove it"):
        read_stack_file(path)


def test_a_removed_stack_file_is_no_error_and_may_be_removed_twice(tmp_path):
    path = tmp_path / "stack.json"
    write_stack_file(path, running_stack())

    remove_stack_file(path)
    remove_stack_file(path)

    assert read_stack_file(path) is None


def test_addresses_come_from_the_running_stack(settings: Settings):
    write_stack_file(settings.stack_file, running_stack())

    connected = connect_to_running_stack(settings)

    assert connected.require_store_url() == "sqlite:////data/nestor.sqlite3"
    assert connected.require_redis_url() == "redis+socket:///run/s"


def test_addresses_that_are_set_go_before_the_running_stack(settings: Settings):
    write_stack_file(settings.stack_file, running_stack())
    ours = settings.model_copy(
        update={"store_url": SecretStr("postgresql://a/b"), "redis_url": SecretStr("redis://a")}
    )

    assert connect_to_running_stack(ours) == ours


def test_without_a_stack_and_without_addresses_the_message_says_what_to_do(settings: Settings):
    with pytest.raises(SettingsError) as caught:
        connect_to_running_stack(settings)

    message = str(caught.value)
    assert "nestor up" in message
    assert "NESTOR_DATA_DIR" in message
    assert "NESTOR_STORE_URL and NESTOR_REDIS_URL" in message
    assert "\n" not in message


def test_half_of_the_addresses_without_a_stack_names_the_other_half(settings: Settings):
    half = settings.model_copy(update={"store_url": SecretStr("postgresql://a/b")})

    with pytest.raises(SettingsError, match=r"or set NESTOR_REDIS_URL$"):
        connect_to_running_stack(half)


def test_two_different_systems_are_never_mixed(settings: Settings):
    write_stack_file(settings.stack_file, running_stack())
    half = settings.model_copy(update={"store_url": SecretStr("postgresql://a/b")})

    with pytest.raises(SettingsError, match="NESTOR_STORE_URL is not what `nestor up`"):
        connect_to_running_stack(half)


def test_the_running_stacks_own_store_may_be_named_alone(settings: Settings):
    write_stack_file(settings.stack_file, running_stack())
    half = settings.model_copy(update={"store_url": SecretStr(running_stack().store_url)})

    assert connect_to_running_stack(half).require_redis_url() == "redis+socket:///run/s"
