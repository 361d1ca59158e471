"""The built wheel runs the demo in an environment of its own, away from the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tree)], check=True, timeout=60)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(tree)]
    subprocess.run(build, check=True, timeout=300)
    return next(folder.glob("nestor-*.whl"))


def test_the_wheel_holds_the_packages_and_their_data_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "shared",
        "producer",
        "worker",
    }
    for needed in (
        "producer/demo/fashion_mnist_1000.zip",
        "producer/demo/resnest_tiny_fashion_mnist/manifest.json",
        "producer/report/report.html",
        "shared/data/imagenet_classes.tsv",
        "shared/store/migrations/script.py.mako",
    ):
        assert needed in names


def test_the_wheel_runs_the_demo_in_an_empty_environment(wheel, tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=120)
    install = [str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "requirements.lock")]
    subprocess.run([*install, f"{wheel}[cpu,embedded]"], check=True, timeout=600)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }

    finished = subprocess.run(
        [str(python.parent / "nestor"), "demo", "--json"],
        cwd=tmp_path,
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    status = json.loads(finished.stdout.splitlines()[-1])
    assert (status["counts"]["predicted"], status["counts"]["failed"]) == (1000, 0)
    assert status["accuracy"]["top1"] >= 0.90
    packages = subprocess.run(
        [str(python), "-m", "pip", "list"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "torch" not in packages
