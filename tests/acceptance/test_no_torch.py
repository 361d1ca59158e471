"""Only compilation needs torch: a running system on the exact path never loads it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.nestor_processes import NestorProcesses
from tests.support.tiny_images import write_list, write_tiny_images


@pytest.mark.parametrize(
    "module", ["producer.app", "producer.cli", "worker.aggregator", "worker.lifecycle"]
)
def test_importing_a_process_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_no_process_of_a_working_system_has_loaded_torch(
    tmp_path, persistent_valkey_server, tiny_artifact_size_8
):
    source = write_list(
        tmp_path / "list.csv", write_tiny_images(tmp_path / "images"), references=100
    )
    store_url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with NestorProcesses(
        store_url=store_url, valkey=persistent_valkey_server, folder=tmp_path
    ) as nestor:
        nestor.start_all(tiny_artifact_size_8.folder)
        job = nestor.submit(source, "tiny-8", labels="none", allow_random=True)
        assert nestor.wait_for_end(job)["state"] == "completed"

        for name in ("producer", "aggregator", "worker"):
            mapped = _mapped_files(nestor.pid(name))
            assert not [path for path in mapped if "torch" in path], name
        assert [path for path in _mapped_files(nestor.pid("worker")) if "openvino" in path]


def _mapped_files(pid: int) -> set[str]:
    """Return the files that a process has mapped: every loaded library is one of them."""
    with Path(f"/proc/{pid}/maps").open() as lines:
        return {line.split(maxsplit=5)[5].strip() for line in lines if line.count(" ") > 5}
