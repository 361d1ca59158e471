"""The embedded Valkey under the real supervisor: what it keeps, what it survives."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import kombu
import psutil
import pytest
import redis

from producer.local_stack.data_dir_lock import locked_data_dir
from producer.local_stack.embedded_valkey import (
    answers_ping,
    private_socket,
    private_socket_path,
    redis_urls,
    valkey_spec,
)
from producer.local_stack.process_supervisor import Supervisor
from shared.errors import StackError
from tests.support.waiting import wait_until

HOLD_THE_LOCK = """
import sys, time
from pathlib import Path
from producer.local_stack.data_dir_lock import locked_data_dir
with locked_data_dir(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""
RUN_A_SERVER = """
import sys
from pathlib import Path
from producer.local_stack.data_dir_lock import locked_data_dir
from producer.local_stack.embedded_valkey import valkey_spec
from producer.local_stack.process_supervisor import Supervisor
data_dir = Path(sys.argv[1])
with locked_data_dir(data_dir) as lock:
    spec = valkey_spec(data_dir=data_dir / "v", socket_path=Path(sys.argv[2]), lock_descriptor=lock)
    Supervisor([spec], log_dir=data_dir / "logs").run(when_ready=lambda: print("up", flush=True))
"""

Scenario = Iterator[None]


@pytest.fixture
def socket_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short TMPDIR of our own, with letters that addresses must quote."""
    with tempfile.TemporaryDirectory(prefix="n v%20-") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def supervise(data_dir: Path, scenario: Scenario) -> None:
    """Run a server under a supervisor; each `yield` of the scenario lets it work for a tick."""
    with locked_data_dir(data_dir) as lock, private_socket(data_dir) as socket_path:
        server = valkey_spec(
            data_dir=data_dir / "valkey", socket_path=socket_path, lock_descriptor=lock
        )
        supervisor = Supervisor([server], log_dir=data_dir / "logs")
        done = object()
        supervisor.run(until=lambda: next(scenario, done) is done)


def until_up(data_dir: Path) -> Scenario:
    while not answers_ping(redis_urls(private_socket_path(data_dir)).client):
        yield


def open_client(data_dir: Path) -> redis.Redis:
    return redis.Redis.from_url(redis_urls(private_socket_path(data_dir)).client)


def store_a_colour(data_dir: Path) -> Scenario:
    yield from until_up(data_dir)
    with open_client(data_dir) as client:
        client.set("colour", "red")


def read_the_colour(data_dir: Path, found: list[bytes | None]) -> Scenario:
    yield from until_up(data_dir)
    with open_client(data_dir) as client:
        found.append(client.get("colour"))


def growing_file(data_dir: Path) -> Path:
    (path,) = (data_dir / "valkey" / "appendonlydir").glob("*.incr.aof")
    return path


def test_a_killed_server_is_restarted_with_all_that_it_had(tmp_path, socket_folder):
    found: list[bytes | None] = []
    pids: list[int] = []

    def scenario() -> Scenario:
        yield from store_a_colour(tmp_path)
        with open_client(tmp_path) as client:
            pids.append(client.info()["process_id"])
        os.kill(pids[0], signal.SIGKILL)
        while psutil.pid_exists(pids[0]):
            yield
        yield from read_the_colour(tmp_path, found)
        with open_client(tmp_path) as client:
            pids.append(client.info()["process_id"])

    supervise(tmp_path, scenario())

    assert found == [b"red"]
    assert pids[0] != pids[1]
    assert not psutil.pid_exists(pids[1])


def test_the_next_stack_on_the_same_folder_finds_what_was_there(tmp_path, socket_folder):
    found: list[bytes | None] = []
    supervise(tmp_path, store_a_colour(tmp_path))

    supervise(tmp_path, read_the_colour(tmp_path, found))

    assert found == [b"red"]


def test_a_file_whose_end_was_cut_off_is_loaded_up_to_there(tmp_path, socket_folder):
    found: list[bytes | None] = []
    supervise(tmp_path, store_a_colour(tmp_path))
    with growing_file(tmp_path).open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$6\r\ncolo")

    supervise(tmp_path, read_the_colour(tmp_path, found))

    assert found == [b"red"]


def test_a_file_that_cannot_be_loaded_is_set_aside_and_the_server_starts_empty(
    tmp_path, socket_folder
):
    found: list[bytes | None] = []
    for _ in range(2):  # twice: an older set that lies aside is no obstacle
        supervise(tmp_path, store_a_colour(tmp_path))
        with growing_file(tmp_path).open("ab") as file:
            file.write(b"\0" * 4096)  # what a power cut leaves

        supervise(tmp_path, read_the_colour(tmp_path, found))

    assert found == [None, None]
    (aside,) = (tmp_path / "valkey" / "appendonlydir.broken").glob("*.incr.aof")
    assert aside.read_bytes().endswith(b"\0" * 4096)


def test_a_stale_socket_is_no_obstacle(tmp_path, socket_folder):
    found: list[bytes | None] = []
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(private_socket_path(tmp_path)))

    supervise(tmp_path, read_the_colour(tmp_path, found))

    assert found == [None]


def test_kombu_and_redis_py_reach_the_server_by_their_own_spelling(tmp_path, socket_folder):
    bodies: list[object] = []

    def scenario() -> Scenario:
        yield from until_up(tmp_path)
        broker_url = redis_urls(private_socket_path(tmp_path)).broker
        with kombu.Connection(broker_url) as connection:
            queue = connection.SimpleQueue("greetings")
            queue.put({"hello": "world"})
            message = queue.get(timeout=5)
            bodies.append(message.payload)
            message.ack()
            queue.close()

    supervise(tmp_path, scenario())

    assert bodies == [{"hello": "world"}]


def test_the_server_listens_on_no_port_and_only_its_owner_reaches_the_socket(
    tmp_path, socket_folder
):
    seen: list[object] = []

    def scenario() -> Scenario:
        yield from until_up(tmp_path)
        with open_client(tmp_path) as client:
            server = psutil.Process(client.info()["process_id"])
        seen.extend(server.net_connections(kind="inet"))

        seen.append(oct(private_socket_path(tmp_path).parent.stat().st_mode & 0o777))

    supervise(tmp_path, scenario())

    assert seen == ["0o700"]


def test_nothing_is_left_of_the_socket_when_the_stack_has_stopped(tmp_path, socket_folder):
    supervise(tmp_path, until_up(tmp_path))

    assert list(socket_folder.iterdir()) == []


def test_a_second_stack_on_the_folder_is_refused_and_told_who_has_it(tmp_path):
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"

        with (
            pytest.raises(StackError, match=f"in use by process {holder.pid}: stop that one"),
            locked_data_dir(tmp_path, patience_seconds=0.1),
        ):
            pass
        holder.kill()


def test_the_lock_of_a_killed_stack_is_free_again(tmp_path):
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()

    with locked_data_dir(tmp_path, patience_seconds=5.0):
        assert (tmp_path / "lock").read_text().strip() == str(os.getpid())


def test_the_folder_stays_locked_while_a_child_that_inherited_the_lock_lives(tmp_path):
    with locked_data_dir(tmp_path) as lock:
        child = subprocess.Popen(["/bin/sleep", "600"], pass_fds=[lock])

    with pytest.raises(StackError), locked_data_dir(tmp_path, patience_seconds=0.1):
        pass
    child.kill()
    child.wait()
    with locked_data_dir(tmp_path, patience_seconds=5.0):
        pass


def test_kill_minus_nine_of_the_supervisor_takes_the_server_with_it(tmp_path, socket_folder):
    socket_path = private_socket_path(tmp_path)
    command = [sys.executable, "-c", RUN_A_SERVER, str(tmp_path), str(socket_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        while supervisor.stdout.readline() != "up\n":
            assert supervisor.poll() is None
        (server,) = psutil.Process(supervisor.pid).children()
        assert server.name() == "valkey-server"

        supervisor.kill()

    wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    found: list[bytes | None] = []
    supervise(tmp_path, read_the_colour(tmp_path, found))
    assert found == [None]


def test_a_socket_folder_that_others_may_enter_is_refused(tmp_path, socket_folder):
    private_socket_path(tmp_path).parent.chmod(0o755)

    with pytest.raises(StackError, match="not private to this user"):
        private_socket_path(tmp_path)


def test_a_socket_path_that_the_kernel_would_cut_is_refused(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with pytest.raises(StackError, match="set TMPDIR to a shorter folder"):
        private_socket_path(tmp_path)
