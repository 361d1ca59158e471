"""Compiling a small network for real: precision, answers, the gate, and what is left behind."""

import numpy as np
import pytest
import torch

from shared.errors import ArtifactError, CompileError, UsageError
from tests.support.artifacts import compile_tiny, settings_in, write_classes, write_pictures
from worker.artifact import load_artifact
from worker.compilation.calibration_images import choose_images, list_images
from worker.compilation.classifier import Probabilities, expected_probabilities
from worker.compilation.request import read_classes
from worker.devices import open_device
from worker.devices.self_test import classify_all, margins_of, run_self_test
from worker.models.random_weights import build_random
from worker.preprocessing.recipes import open_recipe


def opened(artifact, tmp_path):
    return open_device(f"{artifact.manifest.device_kind}:0", artifact, settings_in(tmp_path))


@pytest.fixture(scope="module")
def drawn_pixels(picture_folder):
    recipe = open_recipe("exact", 64)
    paths = list_images(str(picture_folder))
    return np.stack([recipe.pixels(path.read_bytes()) for path in paths])


@pytest.fixture(scope="module")
def eager(drawn_pixels):
    network = build_random("resnest_tiny", classes=10, seed=0)
    return expected_probabilities(Probabilities(network).eval(), drawn_pixels)


def test_fp32_on_openvino_gives_eager_torchs_class_wherever_the_margin_exceeds_a_thousandth(
    tiny_artifact, tmp_path, drawn_pixels, eager
):
    device = opened(tiny_artifact, tmp_path)

    best = classify_all(device, drawn_pixels)

    device.close()
    clear = margins_of(eager) > 1e-3
    assert clear.sum() >= 90
    assert np.array_equal(best.class_indices[clear, 0], eager.argmax(axis=1)[clear])
    returned = np.take_along_axis(eager, best.class_indices.astype(np.intp), axis=1)
    assert np.abs(best.probabilities - returned).max() < 1e-4


def test_the_manifest_says_what_was_made_from_what(tiny_int8_artifact):
    manifest = tiny_int8_artifact.manifest

    assert (manifest.backend, manifest.device_kind) == ("openvino", "cpu")
    assert manifest.precision_asked == "int8"
    assert manifest.recipe == open_recipe("exact", 64).reference()
    assert manifest.calibration is not None
    assert manifest.calibration.count == 40
    assert "/" not in manifest.calibration.source
    assert [known.name for known in manifest.classes[:2]] == ["name 0", "name 1"]
    assert (manifest.topk, manifest.batch_size, manifest.input_size) == (10, 8, 64)
    assert manifest.weights.seed == 0
    assert manifest.images_per_second > 0
    assert {"torch", "openvino", "nncf", "pillow"} <= manifest.toolchain.keys()
    assert len(manifest.self_test.images) == 8 + 64


def test_the_precision_used_is_read_from_the_compiled_graph(
    tiny_artifact, tiny_int8_artifact, tmp_path
):
    whole, quantized = opened(tiny_artifact, tmp_path), opened(tiny_int8_artifact, tmp_path)

    assert whole.precision_used == tiny_artifact.manifest.precision_used == "fp32"
    assert quantized.precision_used.startswith("int8")
    whole.close()
    quantized.close()


def test_what_was_asked_for_does_not_decide_what_is_reported(tiny_artifact, tmp_path):
    asked = tiny_artifact.manifest.model_copy(update={"precision_asked": "int8"})
    pretending = type(tiny_artifact)(folder=tiny_artifact.folder, manifest=asked)

    device = opened(pretending, tmp_path)

    assert device.precision_used == "fp32"
    device.close()


def test_the_gate_of_random_weights_says_that_accuracy_is_not_applicable(tiny_int8_artifact):
    report = tiny_int8_artifact.manifest.gate

    assert report["passed"] is True
    assert report["accuracy"] == "NOT APPLICABLE"
    assert report["images"] == 72
    assert 0 < report["largest_drift"] <= report["max_drift"]


def test_int8_passes_its_own_self_test_on_a_device_opened_again(tiny_int8_artifact, tmp_path):
    device = opened(tiny_int8_artifact, tmp_path)

    comparison = run_self_test(device, tiny_int8_artifact, open_recipe("exact", 64))

    device.close()
    assert comparison.images == 72


def test_fp16_is_compiled_and_reports_a_half_precision_or_says_fp32(
    tmp_path, tying_weights, picture_folder
):
    artifact = compile_tiny(
        tmp_path / "half",
        precision="fp16",
        weights=str(tying_weights),
        calibration=str(picture_folder),
    )

    assert artifact.manifest.precision_used in {"fp16", "bf16", "fp32"}
    assert artifact.manifest.gate["accuracy"] == "PASS"
    assert artifact.manifest.gate["clear_images"] >= 50
    assert artifact.manifest.calibration is None
    weights = artifact.path("model.bin").stat().st_size
    parameters = sum(
        p.numel() for p in build_random("resnest_tiny", classes=10, seed=0).parameters()
    )
    assert weights < 3 * parameters


def test_a_graph_that_answers_otherwise_is_caught_by_the_gate(tmp_path, monkeypatch):
    from worker.compilation import openvino_graph

    honest = openvino_graph.convert

    def convert_something_else(probabilities, *, input_size):
        with torch.no_grad():
            probabilities.network.fc.weight.neg_()
        return honest(probabilities, input_size=input_size)

    monkeypatch.setattr(openvino_graph, "convert", convert_something_else)

    with pytest.raises(CompileError, match="misses the gate, nothing was kept"):
        compile_tiny(tmp_path / "out" / "bad")

    assert not [path for path in (tmp_path / "out").iterdir() if "bad" in path.name]


def test_a_network_that_gives_no_numbers_is_refused(tmp_path):
    network = build_random("resnest_tiny", classes=10, seed=0)
    with torch.no_grad():
        network.fc.weight[3] = 3e38
    torch.save(network.state_dict(), tmp_path / "nan.pth")

    with pytest.raises(CompileError, match="not finite: check"):
        compile_tiny(tmp_path / "nan", weights=str(tmp_path / "nan.pth"))


def test_torch_cpu_reads_its_precision_from_the_exported_graph(tying_torch_artifact):
    manifest = tying_torch_artifact.manifest

    assert manifest.backend == "torch_export"
    assert manifest.precision_used == "fp32"
    assert manifest.toolchain["ahead_of_time"].startswith("not asked for")


@pytest.mark.long
def test_torch_cpu_is_compiled_ahead_of_time_where_there_is_a_compiler(
    tmp_path, tying_weights, tying_torch_artifact, drawn_pixels
):
    artifact = compile_tiny(
        tmp_path / "ahead", weights=str(tying_weights), device_kind="torch-cpu", ahead_of_time=True
    )

    ahead, exported = opened(artifact, tmp_path), opened(tying_torch_artifact, tmp_path)
    answers = classify_all(ahead, drawn_pixels), classify_all(exported, drawn_pixels)
    ahead.close()
    exported.close()
    assert ahead.precision_used == "fp32, compiled ahead of time"
    assert np.allclose(answers[0].probabilities, answers[1].probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"device_kind": "torch-cpu", "precision": "fp16"}, "torch-cpu is compiled in fp32"),
        ({"device_kind": "cuda", "precision": "int8"}, "cuda is compiled in fp32 or fp16"),
        ({"precision": "int8"}, "int8 needs images to calibrate with: pass --calibration"),
        ({"variant": "resnest51"}, "there is no variant 'resnest51'"),
        ({"calibration": "nowhere"}, "there is no such folder"),
        ({"weights": "missing.pth"}, r"missing\.pth"),
    ],
)
def test_what_cannot_be_compiled_is_refused_in_one_line(tmp_path, options, text):
    with pytest.raises(UsageError, match=text) as refused:
        compile_tiny(tmp_path / "no", **options)

    assert "\n" not in str(refused.value)
    assert not (tmp_path / "no").exists()


def test_a_destination_that_is_taken_is_refused_before_any_work(tiny_artifact):
    with pytest.raises(ArtifactError, match="exists already"):
        compile_tiny(tiny_artifact.folder, weights="not even looked at")


def test_too_few_images_are_counted_and_the_way_out_is_named(picture_folder):
    recipe = open_recipe("exact", 64)

    with pytest.raises(CompileError, match=r"has 104 images.* pass --calibration-count 40 or"):
        choose_images(str(picture_folder), recipe, calibration_count=300, advance=lambda: None)


def test_a_source_without_images_is_refused(tmp_path):
    (tmp_path / "readme.md").write_text("none here")

    with pytest.raises(CompileError, match="has 0 images"):
        choose_images(
            str(tmp_path), open_recipe("exact", 64), calibration_count=0, advance=lambda: None
        )


def test_files_that_are_no_images_are_passed_over(tmp_path):
    write_pictures(tmp_path, count=70)
    (tmp_path / "class_00" / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")

    chosen = choose_images(
        str(tmp_path), open_recipe("exact", 64), calibration_count=6, advance=lambda: None
    )

    assert (len(chosen.held_out), len(chosen.calibration)) == (64, 6)


def test_the_choice_is_the_same_each_time_spread_and_never_used_twice(picture_folder):
    recipe = open_recipe("exact", 64)
    chosen, again = (
        choose_images(str(picture_folder), recipe, calibration_count=30, advance=lambda: None)
        for _ in range(2)
    )

    held_out = {image.pixels.tobytes() for image in chosen.held_out}
    calibration = {pixels.tobytes() for pixels in chosen.calibration}
    assert held_out == {image.pixels.tobytes() for image in again.held_out}
    assert (len(held_out), len(calibration)) == (64, 30)
    assert not held_out & calibration
    folders = {
        path.parent
        for path in list_images(str(picture_folder))
        if recipe.pixels(path.read_bytes()).tobytes() in held_out
    }
    assert len(folders) >= 9


def test_a_text_list_names_images_beside_it(tmp_path):
    write_pictures(tmp_path / "images", count=3)
    names = sorted(path.relative_to(tmp_path) for path in (tmp_path / "images").rglob("*.jpg"))
    (tmp_path / "list.txt").write_text("\n".join(map(str, names)) + "\n\n")

    assert list_images(str(tmp_path / "list.txt")) == [tmp_path / name for name in names]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tcat\n\nb\n", "line 2: there is no class id"),
        ("a\tcat\na\tdog\n", "line 2: the id a is also that of line 1"),
        ("", "is empty"),
    ],
)
def test_a_class_file_that_is_wrong_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "classes.tsv"
    path.write_text(text)

    with pytest.raises(CompileError, match=message):
        read_classes(path)


def test_classes_have_ids_and_names_in_the_order_of_their_lines(tmp_path):
    classes = read_classes(write_classes(tmp_path / "classes.tsv", count=3))

    assert [(known.id, known.name) for known in classes] == [
        ("id0", "name 0"),
        ("id1", "name 1"),
        ("id2", "name 2"),
    ]
    assert len(read_classes(None)) == 1000


def test_the_self_test_refuses_other_pixels_and_other_answers(tiny_artifact, tmp_path):
    device = opened(tiny_artifact, tmp_path)
    recipe = open_recipe("exact", 64)
    test = tiny_artifact.manifest.self_test

    def with_self_test(**changes):
        manifest = tiny_artifact.manifest.model_copy(
            update={"self_test": test.model_copy(update=changes)}
        )
        return type(tiny_artifact)(folder=tiny_artifact.folder, manifest=manifest)

    with pytest.raises(ArtifactError, match="1 of 8 images decode to other pixels"):
        run_self_test(
            device, with_self_test(pixels_sha256=["0" * 64, *test.pixels_sha256[1:]]), recipe
        )
    with pytest.raises(ArtifactError, match=r"drifts by .*e-0\d, the limit is 0"):
        run_self_test(device, with_self_test(max_drift=0.0), recipe)
    with pytest.raises(ArtifactError, match="another version of the recipe"):
        run_self_test(device, tiny_artifact, open_recipe("exact", 65))
    device.close()


def test_the_loaded_artifact_is_the_one_that_was_written(tiny_artifact):
    assert load_artifact(tiny_artifact.folder).manifest == tiny_artifact.manifest
