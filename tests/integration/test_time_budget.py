"""A suite over its budget fails, even when every test passes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

BUSY_TEST = """
import time

def test_slow():
    began = time.process_time()
    while time.process_time() - began < 0.3:
        pass
"""


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    tests = folder / "tests" / "unit"
    tests.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (tests / "test_slow.py").write_text(BUSY_TEST)
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.time_budget", *options]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("budget", ["--session-budget-seconds", "--unit-budget-seconds"])
def test_a_session_over_its_budget_fails_and_says_why(tmp_path, budget):
    ended = run_pytest(tmp_path, f"{budget}=0.2")

    assert ended.returncode == 1
    assert "FAILED time budget: the" in ended.stdout
    assert "more than 0.2 s" in ended.stdout
    assert "1 passed" in ended.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "options", [[], ["--session-budget-seconds=60", "--unit-budget-seconds=60"]]
)
def test_a_session_within_its_budget_or_without_one_passes(tmp_path, options):
    ended = run_pytest(tmp_path, *options)

    assert ended.returncode == 0
    assert "budget" not in ended.stdout
