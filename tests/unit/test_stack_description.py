from pathlib import Path

import pytest
from pydantic import SecretStr

from producer.local_stack.embedded_valkey import redis_urls, valkey_argv
from producer.local_stack.stack import stack_specs
from shared.errors import SettingsError
from shared.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return Settings(
        data_dir=Path("/data"),
        store_url=SecretStr("sqlite:////data/nestor.sqlite3"),
        redis_url=SecretStr("redis+socket:///run/s"),
    )


def test_the_server_keeps_everything_on_disk_and_opens_no_port():
    argv = valkey_argv(
        binary=Path("/bin/valkey-server"), data_dir=Path("/data"), socket_path=Path("/run/s")
    )

    flags = dict(zip(argv[1::2], argv[2::2], strict=True))
    assert argv[0] == "/bin/valkey-server"
    assert flags["--port"] == "0"
    assert flags["--appendonly"] == "yes"
    assert flags["--appendfsync"] == "everysec"
    assert flags["--maxmemory-policy"] == "noeviction"
    assert flags["--unixsocket"] == "/run/s"


def test_a_socket_has_two_spellings():
    urls = redis_urls(Path("/run/my folder/s"))

    assert urls.broker == "redis+socket:///run/my%20folder/s"
    assert urls.client == "unix:///run/my%20folder/s"


def test_every_device_gets_one_worker_in_the_last_stage(settings: Settings):
    specs = stack_specs(settings, devices=["cpu:0", "cuda:1"], artifacts=[Path("/a"), Path("/b")])

    workers = [spec for spec in specs if spec.stage == max(s.stage for s in specs)]
    assert [spec.name for spec in workers] == ["worker-cpu-0", "worker-cuda-1"]
    assert workers[0].argv[-7:] == (
        "run", "--device", "cpu:0", "--artifacts", "/a", "--artifacts", "/b",
    )  # fmt: skip


def test_one_of_several_workers_may_be_lost_but_not_a_loop(settings: Settings):
    specs = stack_specs(settings, devices=["cpu:0", "cpu:1"], artifacts=[])

    assert {spec.name: spec.essential for spec in specs} == {
        "producer": True,
        "aggregator": True,
        "worker-cpu-0": False,
        "worker-cpu-1": False,
    }


def test_a_worker_may_use_its_grace_before_it_is_killed(settings: Settings):
    worker = stack_specs(settings, devices=["cpu:0"], artifacts=[])[-1]

    assert worker.stop_grace_seconds > settings.shutdown_grace_seconds


def test_every_process_is_told_the_same_addresses(settings: Settings):
    specs = stack_specs(settings, devices=["cpu:0"], artifacts=[])

    for spec in specs:
        assert spec.env["NESTOR_STORE_URL"] == "sqlite:////data/nestor.sqlite3"
        assert spec.env["NESTOR_REDIS_URL"] == "redis+socket:///run/s"
        assert spec.env["NESTOR_DATA_DIR"] == "/data"


def test_a_device_named_twice_is_refused(settings: Settings):
    with pytest.raises(SettingsError, match=r"named twice.*cpu:0"):
        stack_specs(settings, devices=["cpu:0", "cpu:0"], artifacts=[])
