"""The commands as a user types them, over one `nestor up` for all tests of this module."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.tiny_images import write_list, write_tiny_images

READY_SECONDS = 60.0
IMAGES = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def environment(folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NESTOR_")}
    return {**kept, "NESTOR_DATA_DIR": str(folder / "data"), "COLUMNS": "200"}


@pytest.fixture(scope="module")
def stack(folder, environment, tiny_artifact_size_8):
    """A running `nestor up`; stopped in order at the end, which must succeed."""
    log = (folder / "up.log").open("wb")
    argv = [
        sys.executable,
        "-P",
        "-m",
        "producer.cli",
        "up",
        "--artifacts",
        tiny_artifact_size_8.folder,
    ]
    process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
    give_up_at = time.monotonic() + READY_SECONDS
    while "nestor is up" not in (folder / "up.log").read_text():
        assert process.poll() is None, (folder / "up.log").read_text()
        assert time.monotonic() < give_up_at, (folder / "up.log").read_text()
        time.sleep(0.05)
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) == 0
    log.close()


@pytest.fixture(scope="module")
def nestor(stack, environment):
    def run(*arguments, stdin=None, code=0):
        finished = subprocess.run(
            [sys.executable, "-P", "-m", "producer.cli", *map(str, arguments)],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert finished.returncode == code, finished.stdout + finished.stderr
        return finished

    return run


@pytest.fixture(scope="module")
def images(folder):
    return write_list(folder / "list.csv", write_tiny_images(folder / "images"), references=IMAGES)


@pytest.fixture(scope="module")
def finished_job(nestor, images):
    """A finished job's status document, from `submit --wait --json`."""
    output = nestor(
        *("submit", images, "--artifact", "tiny-8", "--allow-random", "--labels", "column:class"),
        *("--id-column", "id", "--wait", "--json"),
    ).stdout
    return json.loads(output.splitlines()[-1])


def test_submit_and_wait_prints_the_whole_status_as_its_last_line(finished_job):
    assert finished_job["state"] == "completed"
    assert finished_job["stalled"] is None
    counts = finished_job["counts"]
    assert (counts["total"], counts["predicted"], counts["failed"]) == (IMAGES, IMAGES, 0)
    assert counts["labelled"] == IMAGES
    expected = {"top1", "top5", "top1_interval", "top5_interval", "top1_over_all", "top5_over_all"}
    assert expected <= finished_job["accuracy"].keys()
    assert finished_job["images_per_second"] > 0
    assert finished_job["artifact"]["name"] == "tiny-8"
    assert finished_job["failures"] == {}


def test_status_and_jobs_say_the_same(nestor, finished_job):
    job_id = finished_job["job_id"]

    status = json.loads(nestor("status", job_id, "--json").stdout)
    listed = json.loads(nestor("jobs", "--json").stdout)["jobs"]

    assert status == finished_job
    mine = next(job for job in listed if job["job_id"] == job_id)
    assert (mine["state"], mine["predicted"]) == ("completed", IMAGES)
    assert job_id in nestor("jobs").stdout
    assert "300 predicted, 0 failed, 300 in all" in nestor("status", job_id).stdout


def test_results_come_in_index_order_with_the_callers_ids(nestor, finished_job, folder):
    lines = nestor("results", finished_job["job_id"]).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    nestor("results", finished_job["job_id"], "--format", "csv", "-o", folder / "r.csv")
    nestor("results", finished_job["job_id"], "--format", "parquet", "-o", folder / "r.parquet")

    assert [row["index"] for row in rows] == list(range(IMAGES))
    assert [row["id"] for row in rows] == [f"item-{index}" for index in range(IMAGES)]
    assert set(rows[0]) >= {
        *("index", "id", "uri", "label", "label_rank", "status", "reason", "topk"),
        *("artifact_digest", "recipe_digest", "input_sha256", "device"),
    }
    assert len(rows[0]["topk"]) == 5
    assert set(rows[0]["topk"][0]) == {"class_index", "class_id", "name", "probability"}
    with (folder / "r.csv").open() as stream:
        assert [row["id"] for row in csv.DictReader(stream)] == [row["id"] for row in rows]
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(folder / "r.parquet").num_rows == IMAGES


def test_the_report_is_text_json_and_a_page_and_compares_with_a_baseline(
    nestor, finished_job, images, folder
):
    second = json.loads(
        nestor(
            *("submit", images, "--artifact", "tiny-8", "--allow-random", "--id-column", "id"),
            *("--labels", "column:class", "--wait", "--json"),
        ).stdout.splitlines()[-1]
    )
    job_id = second["job_id"]

    text = nestor("report", job_id).stdout
    document = json.loads(
        nestor("report", job_id, "--json", "--baseline", finished_job["job_id"]).stdout
    )
    nestor("report", job_id, "--html", folder / "report.html")
    page = (folder / "report.html").read_text()

    assert "Most confused" in text
    assert document["counts"] == second["counts"]
    assert document["baseline"]["compared"] == IMAGES
    assert document["baseline"]["newly_wrong"] == document["baseline"]["newly_right"] == 0
    assert document["baseline"]["p_value"] == 1.0
    assert "data:image/jpeg;base64," in page


def test_a_dry_run_reports_and_queues_nothing(nestor, finished_job, images):
    before = nestor("jobs", "--json").stdout
    text = nestor(
        *("submit", images, "--artifact", "tiny-8", "--allow-random", "--dry-run"),
        *("--labels", "column:class"),
    ).stdout

    assert "images: 300" in text
    assert "duplicates: 284" in text
    assert len(json.loads(nestor("jobs", "--json").stdout)["jobs"]) == len(
        json.loads(before)["jobs"]
    )


def test_a_list_may_come_on_standard_input(nestor, images):
    output = nestor(
        *("submit", "-", "--list-format", "csv", "--artifact", "tiny-8", "--allow-random"),
        *("--labels", "column:class", "--wait", "--json", "--limit", 100),
        stdin=images.read_text(),
    ).stdout

    status = json.loads(output.splitlines()[-1])
    assert (status["state"], status["counts"]["predicted"]) == ("completed", 100)


def test_bad_lines_and_bad_files_are_rows_with_reasons(nestor, folder):
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").write_bytes(b"")
    good = write_tiny_images(folder / "images")[0]
    lines = folder / "bad.jsonl"
    lines.write_text(
        "\n".join(
            [
                json.dumps({"uri": str(good)}),
                "{broken",
                json.dumps({"uri": str(folder / "text.png")}),
                json.dumps({"uri": str(folder / "empty.png")}),
                json.dumps({"uri": str(folder / "missing.png")}),
                json.dumps({"uri": "gopher://x/y"}),
            ]
        )
    )
    output = nestor(
        *("submit", lines, "--artifact", "tiny-8", "--allow-random", "--labels", "none"),
        *("--wait", "--json", "--max-failure-rate", "0.9"),
    ).stdout
    status = json.loads(output.splitlines()[-1])
    rows = [json.loads(line) for line in nestor("results", status["job_id"]).stdout.splitlines()]

    assert status["state"] == "completed_with_errors"
    assert status["failures"] == {
        "bad_reference": 2,
        "empty": 1,
        "not_an_image": 1,
        "not_found": 1,
    }
    assert [row["status"] for row in rows] == ["predicted", *["failed"] * 5]
    assert rows[1]["reason"] == "bad_reference"
    assert status["accuracy"]["top1"] is None


def test_labels_that_name_no_class_are_said_with_examples(nestor, folder):
    good = write_tiny_images(folder / "images")[0]
    (folder / "birds.csv").write_text(f"path,class\n{good},bird\n{good},3\n")

    finished = nestor(
        *("submit", folder / "birds.csv", "--artifact", "tiny-8", "--allow-random", "--wait"),
        "--labels=column:class",
    )

    assert "labels   1 name no class, such as 'bird'" in finished.stdout
    assert "2 predicted, 0 failed, 2 in all" in finished.stdout


def test_too_many_failures_fail_the_job_and_the_command(nestor, folder):
    (folder / "gone.txt").write_text("/no/such/1.png\n/no/such/2.png\n")

    finished = nestor(
        *("submit", folder / "gone.txt", "--artifact", "tiny-8", "--allow-random", "--wait"),
        "--labels=none",
        code=1,
    )

    assert "failed   2 not_found" in finished.stdout
    assert "no image could be predicted" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("status", "zzz"), "there is no job 'zzz'"),
        (("submit", "/no/such", "--artifact", "tiny-8", "--allow-random"), "does not exist"),
        (("submit", "/", "--artifact", "nope"), "no artifact 'nope' is registered (known: tiny-8)"),
        (("submit", "/", "--artifact", "tiny-8"), "has random weights"),
        (("submit", "/", "--artifact", "tiny-8", "--allow-random", "--topk", "99"), "--topk must"),
        (("submit", "/x", "--artifact", "tiny-8", "--allow-random", "--labels", "?"), "labels"),
        (("report", "zzz", "--json"), "there is no job"),
    ],
)
def test_every_error_is_one_line_that_helps_and_exit_code_2(nestor, arguments, says):
    finished = nestor(*arguments, code=2)

    assert finished.stdout == ""
    assert finished.stderr.startswith("error: ")
    assert says in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_debug_shows_the_trace_of_an_error(nestor):
    finished = nestor("--debug", "status", "zzz", code=1)

    assert "Traceback" in finished.stderr


def test_a_paused_job_rests_a_resumed_one_ends_and_a_cancelled_one_keeps_what_it_has(
    nestor, folder
):
    many = write_list(folder / "many.csv", write_tiny_images(folder / "images"), references=60_000)

    def submit():
        output = nestor(
            *("submit", many, "--artifact", "tiny-8", "--allow-random", "--chunk-size", 50),
            *("--labels", "column:class", "--json"),
        ).stdout
        return json.loads(output.splitlines()[-1])["job_id"]

    def status(job_id):
        return json.loads(nestor("status", job_id, "--json").stdout)

    def processed(document):
        return document["counts"]["predicted"] + document["counts"]["failed"]

    paused = submit()
    nestor("pause", paused)
    time.sleep(2)
    resting = status(paused)
    time.sleep(1)
    still_resting = status(paused)
    nestor("resume", paused)
    time.sleep(1)
    nestor("cancel", paused)
    nestor("status", paused, "--watch")
    ended = status(paused)

    assert resting["state"] == "paused"
    assert processed(resting) == processed(still_resting) < 60_000
    assert ended["state"] == "cancelled"
    assert processed(ended) > processed(resting)
    rows = nestor("results", paused).stdout.splitlines()
    assert len(rows) == processed(ended)
    nestor("delete", paused)
    nestor("status", paused, code=2)


def test_artifacts_and_devices_are_listed(nestor):
    assert "tiny-8" in nestor("artifacts").stdout
    assert json.loads(nestor("devices", "--json").stdout)["devices"][0]["device"] == "cpu:0"


def test_commands_without_a_running_stack_say_how_to_start_one(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "producer.cli", "jobs"],
        env={**os.environ, "NESTOR_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert finished.returncode == 2
    assert "nestor up" in finished.stderr
