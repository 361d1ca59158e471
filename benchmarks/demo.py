"""The rows of the demo: `nestor demo` as a user's first and second command after installing."""

import json
import os
import subprocess
import sys
import time

from benchmarks.plan import Plan
from benchmarks.row import Row
from producer.demo import demo_artifact
from shared.errors import ArtifactError

_FLOORS_SECONDS = (60.0, 40.0)
_GOALS_SECONDS = (30.0, 15.0)
_NAMES = ("first run", "second run")
_IMAGES = 1000


def demo_rows(plan: Plan) -> list[Row]:
    """Run the demo twice with a fresh home and fresh byte code."""
    try:
        demo_artifact()
    except ArtifactError as error:
        return [_row(plan, number, None, remark=str(error)) for number in (0, 1)]
    return [_row(plan, number, _run(plan), remark="") for number in (0, 1)]


def _run(plan: Plan) -> float:
    home = plan.scratch / "demo-home"
    home.mkdir(exist_ok=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("NESTOR_", "PY"))
    }
    environment |= {
        "HOME": str(home),
        "NESTOR_DATA_DIR": str(home / "data"),
        "PYTHONPYCACHEPREFIX": str(home / "bytecode"),
    }
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "producer.cli", "demo", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - start
    counts = json.loads(ended.stdout.splitlines()[-1])["counts"]
    if (counts["predicted"], counts["failed"]) != (_IMAGES, 0):
        raise RuntimeError(f"the demo did not predict its {_IMAGES} images: {counts}")
    return seconds


def _row(plan: Plan, number: int, seconds: float | None, *, remark: str) -> Row:
    return Row(
        key=f"demo-{number + 1}",
        figure=f"demo after installation, {_NAMES[number]}",
        unit="s",
        value=seconds,
        floor=_FLOORS_SECONDS[number],
        goal=_GOALS_SECONDS[number],
        remark=remark or "`nestor demo --json` from command to exit, 1,000 images",
        invalid_reasons=plan.invalid_reasons,
    )
