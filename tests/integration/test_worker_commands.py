"""`nestor-worker info, compile, classify and bench`, as a user types them."""

import json
import shutil

import pytest
from click.testing import CliRunner

from tests.support.artifacts import write_classes, write_pictures
from worker.cli import main


@pytest.fixture
def type_command(tmp_path):
    def type_it(*words):
        environment = {"NESTOR_DATA_DIR": str(tmp_path / "data")}
        return CliRunner(env=environment).invoke(main, [str(word) for word in words])

    return type_it


def last_object(result):
    return json.loads(result.stdout.splitlines()[-1])


def one_line_error(result):
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_info_prints_the_counted_figures(type_command):
    result = type_command("info", "resnest50", "--json")

    assert result.exit_code == 0
    assert last_object(result)["parameters"] == 27_483_240
    assert last_object(result)["multiply_adds"] == 5_371_160_576


def test_info_of_no_variant_is_one_line(type_command):
    assert "there is no variant 'resnet50'" in one_line_error(type_command("info", "resnet50"))


def test_compile_prints_its_report_and_leaves_an_artifact(type_command, tmp_path):
    result = type_command(
        *("compile", "resnest_tiny", "--device", "cpu", "--precision", "fp32"),
        *("--weights", "random:0", "--size", "32", "--batch", "4", "--name", "mine"),
        *("--classes", write_classes(tmp_path / "classes.tsv", count=3)),
        *("-o", tmp_path / "made", "--json"),
    )

    assert result.exit_code == 0, result.stderr
    made = last_object(result)
    assert (made["name"], made["classes"], made["batch_size"], made["topk"]) == ("mine", 3, 4, 3)
    assert made["gate"]["accuracy"] == "NOT APPLICABLE"
    assert made["precision_used"] == "fp32"
    assert (tmp_path / "made" / "manifest.json").is_file()
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


def test_compile_without_calibration_images_is_one_line(type_command, tmp_path):
    result = type_command(
        *("compile", "resnest_tiny", "--device", "cpu", "--precision", "int8"),
        *("--weights", "random:0", "-o", tmp_path / "made"),
    )

    assert "pass --calibration" in one_line_error(result)
    assert not (tmp_path / "made").exists()


@pytest.fixture
def pictures(tmp_path):
    folder = write_pictures(tmp_path / "pictures", count=3)
    (folder / "class_00" / "999_broken.jpg").write_bytes(b"no picture")
    return folder


def test_classify_answers_each_image_on_a_line_and_goes_on_after_a_bad_one(
    type_command, tiny_artifact, pictures, tmp_path
):
    result = type_command(
        *("classify", pictures, tmp_path / "missing.jpg", "--artifact", tiny_artifact.folder),
        *("--topk", "3", "--json"),
    )

    assert result.exit_code == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["status"] for answer in answers] == ["predicted"] * 3 + ["failed"] * 2
    assert [answer["reason"] for answer in answers[3:]] == ["not_an_image", "not_found"]
    assert set(answers[0]) == {"uri", "status", "reason", "topk"}
    best = answers[0]["topk"]
    assert [set(entry) for entry in best] == [
        {"class_index", "class_id", "name", "probability"}
    ] * 3
    assert best[0]["name"] == f"name {best[0]['class_index']}"
    assert best[0]["probability"] >= best[1]["probability"] >= best[2]["probability"]
    assert answers[3]["topk"] == []


def test_classify_of_bad_images_only_fails(type_command, tiny_artifact, tmp_path):
    result = type_command("classify", tmp_path / "no.jpg", "--artifact", tiny_artifact.folder)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [f"{tmp_path / 'no.jpg'}  failed: not_found"]


def test_classify_with_a_damaged_artifact_is_one_line(type_command, tiny_artifact, tmp_path):
    damaged = shutil.copytree(tiny_artifact.folder, tmp_path / "damaged")
    with (damaged / "model.bin").open("ab") as file:
        file.write(b"x")

    result = type_command("classify", "any.jpg", "--artifact", damaged)

    assert "model.bin is damaged" in one_line_error(result)


def test_bench_reports_speed_latency_and_whether_it_proves_anything(
    type_command, tiny_artifact, monkeypatch
):
    result = type_command("bench", tiny_artifact.folder, "-i", "10", "-b", "2", "--json")

    report = last_object(result)
    assert result.exit_code == 1
    assert report["valid"] is False
    assert (report["images"], report["batches"], report["batch_size"]) == (20, 10, 2)
    assert report["images_per_second"] > 0
    assert 0 < report["latency_p50_seconds"] <= report["latency_p99_seconds"]
    assert any("batches" in reason for reason in report["invalid_reasons"])


def test_bench_with_too_large_a_batch_is_one_line(type_command, tiny_artifact):
    result = type_command("bench", tiny_artifact.folder, "-b", "9")

    assert "up to 8 (compile --batch)" in one_line_error(result)


def test_an_error_shows_its_trace_only_with_debug(type_command):
    assert one_line_error(type_command("info", "nothing")).startswith("error: ")
    assert type_command("--debug", "info", "nothing").exception is not None
