"""The benchmarks run from end to end; what they measure here counts for nothing and says so."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks.cli import GROUPS
from benchmarks.corpus import draw_photo
from tests.support.source_tree import ROOT

pytestmark = pytest.mark.long


IMAGES = 8
RUN_SECONDS = 240.0


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(IMAGES):
        draw_photo(number).resize((96, 80)).save(folder / f"{number}.jpg")
    return folder


def run_benchmarks(*options):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


def test_a_quick_run_prints_every_row_and_calls_none_of_its_figures_valid(tmp_path, image_folder):
    ended = run_benchmarks("--quick", "--images", image_folder, "--results", tmp_path / "results")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    (report,) = (tmp_path / "results").glob("*.json")
    document = json.loads(report.read_text())
    rows = {row["key"]: row for row in document["rows"]}
    assert {
        *("hand-tuned", "one-by-one", "data-loader", "host-pipeline"),
        *("kill-median", "kill-max", "redis", "memory", "redis-memory"),
        *("store-bytes-sqlite", "store-bytes-postgresql", "store-status-sqlite"),
    } <= set(rows)
    assert {row["verdict"] for row in rows.values()} == {"INVALID", "NOT RUN"}
    assert all(row["value"] > 0 for row in rows.values() if row["verdict"] == "INVALID")
    assert f"{IMAGES} images of --images" in document["setting"]
    assert document["machine"]["cores"] >= 1
    assert all(f"| {row['figure']} |" in ended.stdout for row in rows.values())
    assert report.with_suffix(".md").read_text().count("\n|") == len(rows) + 2
    for key in ("hand-tuned", "one-by-one", "data-loader", "host-pipeline"):
        assert not [reason for reason in rows[key]["invalid_reasons"] if "otherwise" in reason]


def test_every_group_of_rows_can_be_asked_for_by_name():
    shown = run_benchmarks("--help").stdout

    assert all(name in shown for name in GROUPS)


def test_a_generated_photo_is_about_as_large_as_a_real_one(tmp_path):
    sizes = []
    for number in range(8):
        path = tmp_path / f"{number}.jpg"
        draw_photo(number).save(path, quality=92)
        sizes.append(path.stat().st_size)

    pixels = np.asarray(Image.open(tmp_path / "0.jpg"))
    assert 60_000 < np.mean(sizes) < 160_000
    assert pixels.std() > 30
