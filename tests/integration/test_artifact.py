"""Artifacts on disk: whole and verified, or refused by name."""

import json
import shutil

import numpy as np
import pytest

from shared.artifact_manifest import MANIFEST_NAME, ArtifactManifest
from shared.errors import ArtifactError
from tests.support.artifacts import write_simulated_artifact
from worker.artifact import load_artifact, seal_artifact, staged_artifact


@pytest.fixture
def copy(simulated_artifact, tmp_path):
    return shutil.copytree(simulated_artifact.folder, tmp_path / "copy")


def rewrite_manifest(folder, **changes):
    document = json.loads((folder / MANIFEST_NAME).read_text()) | changes
    manifest = ArtifactManifest.model_validate(document).with_digest()
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json())


def test_a_whole_artifact_is_loaded_with_its_self_test(copy):
    artifact = load_artifact(copy)

    images = artifact.self_test_images()
    assert len(images) == 8
    assert images[0].startswith(b"\x89PNG")
    assert artifact.expected_probabilities().shape == (8, 10)


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_file_is_refused_by_name(copy, damage):
    path = copy / "self_test" / "gray.jpg"
    path.write_bytes(path.read_bytes()[:-1] + b"x") if damage == "change" else path.unlink()

    with pytest.raises(ArtifactError, match=r"gray\.jpg") as refused:
        load_artifact(copy)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../outside"])
def test_a_manifest_that_names_files_outside_is_refused(copy, name):
    manifest = json.loads((copy / MANIFEST_NAME).read_text())
    rewrite_manifest(copy, files=manifest["files"] | {name: "0" * 64})

    with pytest.raises(ArtifactError, match="outside the artifact"):
        load_artifact(copy)


def test_a_self_test_file_that_is_not_verified_is_refused(copy):
    manifest = json.loads((copy / MANIFEST_NAME).read_text())
    del manifest["files"]["self_test/gray.jpg"]
    rewrite_manifest(copy, files=manifest["files"])

    with pytest.raises(ArtifactError, match=r"self_test/gray\.jpg is not among its files"):
        load_artifact(copy)


def test_a_file_beside_the_manifests_is_not_handed_out(copy):
    (copy / "model.xml").write_text("<net/>")

    with pytest.raises(ArtifactError, match=r"has no file model\.xml in its manifest"):
        load_artifact(copy).path("model.xml")


def test_expected_values_of_another_shape_are_refused(tmp_path, copy):
    manifest = load_artifact(copy).manifest
    np.save(copy / "self_test" / "expected.npy", np.zeros((8, 9), np.float32))
    (copy / MANIFEST_NAME).unlink()
    seal_artifact(copy, manifest)

    with pytest.raises(ArtifactError, match=r"float32 \(8, 9\), not float32 \(8, 10\)"):
        load_artifact(copy).expected_probabilities()


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    def write_half():
        with staged_artifact(tmp_path / "new") as stage:
            (stage / "model.bin").write_bytes(b"half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_manifest_is_not_kept(tmp_path):
    with (
        pytest.raises(ArtifactError, match="without a manifest"),
        staged_artifact(tmp_path / "new") as stage,
    ):
        (stage / "model.bin").write_bytes(b"all")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_never_replaced(tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")

    with pytest.raises(ArtifactError, match="exists already"):
        write_simulated_artifact(taken)

    assert [path.name for path in taken.iterdir()] == ["notes.txt"]


def test_an_empty_folder_may_become_the_artifact(tmp_path):
    (tmp_path / "empty").mkdir()

    artifact = write_simulated_artifact(tmp_path / "empty")

    assert artifact.folder == tmp_path / "empty"
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
