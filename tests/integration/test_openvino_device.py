"""What is particular to `cpu:N`: its threads, its cache, and what it does not load."""

import subprocess
import sys

import pytest

from shared.errors import ArtifactError, MissingExtra, UsageError
from shared.settings import Settings
from tests.support.artifacts import settings_in
from worker.devices import open_device
from worker.devices.openvino_device import MODEL_FILE, compile_for_cpu

OPEN_AND_CLASSIFY = """
import sys
from pathlib import Path
import numpy as np
from shared.settings import Settings
from worker.artifact import load_artifact
from worker.devices import open_device
from worker.devices.self_test import run_self_test
from worker.preprocessing.recipes import open_recipe

folder, data = Path(sys.argv[1]), Path(sys.argv[2])
artifact = load_artifact(folder)
device = open_device("cpu:0", artifact, Settings(data_dir=data))
run_self_test(device, artifact, open_recipe("exact", artifact.manifest.input_size))
device.close()
heavy = {"torch", "nncf", "torchvision"} & sys.modules.keys()
print(sorted(heavy), sys.modules.get("openvino_telemetry"))
"""


def test_a_worker_on_openvino_loads_neither_torch_nor_telemetry(tiny_artifact_size_8, tmp_path):
    command = [sys.executable, "-c", OPEN_AND_CLASSIFY, tiny_artifact_size_8.folder, tmp_path]

    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines() == ["[] None"]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_graph_has_the_threads_of_its_slot_and_is_not_pinned(tiny_artifact_size_8, threads):
    compiled = compile_for_cpu(
        tiny_artifact_size_8.path(MODEL_FILE), precision="fp32", threads=threads
    )

    assert compiled.get_property("INFERENCE_NUM_THREADS") == threads
    assert compiled.get_property("ENABLE_CPU_PINNING") is False
    assert compiled.get_property("NUM_STREAMS") <= threads
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_a_slot_that_does_not_exist_is_refused(tiny_artifact_size_8, tmp_path):
    settings = Settings(data_dir=tmp_path, cpu_slots=2)

    open_device("cpu:1", tiny_artifact_size_8, settings).close()
    with pytest.raises(UsageError, match="no device cpu:2"):
        open_device("cpu:2", tiny_artifact_size_8, settings)


def test_the_compiled_graph_is_cached_in_the_data_folder(tiny_artifact_size_8, tmp_path):
    open_device("cpu:0", tiny_artifact_size_8, settings_in(tmp_path)).close()
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "openvino_cache").iterdir()}

    open_device("cpu:0", tiny_artifact_size_8, settings_in(tmp_path)).close()

    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "openvino_cache").iterdir()}
    assert first
    assert first == again


@pytest.mark.parametrize("name", ["cuda:0", "torch-cpu", "simulated:0"])
def test_an_artifact_for_another_kind_of_device_is_refused(tiny_artifact_size_8, tmp_path, name):
    with pytest.raises(ArtifactError, match="was compiled for cpu, not for"):
        open_device(name, tiny_artifact_size_8, settings_in(tmp_path))


def test_an_unknown_kind_of_device_is_refused_with_those_there_are(tiny_artifact_size_8, tmp_path):
    with pytest.raises(UsageError, match="no device 'tpu:0': the kinds are cpu, cuda, simulated"):
        open_device("tpu:0", tiny_artifact_size_8, settings_in(tmp_path))


def test_a_missing_library_is_named_with_the_extra_to_install(
    tiny_artifact_size_8, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(MissingExtra, match=r"cpu:0 needs the extra 'cpu': pip install"):
        open_device("cpu:0", tiny_artifact_size_8, settings_in(tmp_path))


def test_a_model_that_is_none_is_refused(tmp_path):
    (tmp_path / "model.xml").write_text("<not-a-network/>")

    with pytest.raises(ArtifactError, match="is not an OpenVINO model"):
        compile_for_cpu(tmp_path / "model.xml", precision="fp32", threads=1)
