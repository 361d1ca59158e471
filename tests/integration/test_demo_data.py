"""The bundled demo: complete, small, made from the data set, and as accurate as promised."""

import hashlib
import io
import zipfile
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from producer.demo import (
    IMAGES_NAME,
    demo_artifact,
    demo_checkpoint,
    unpack_demo_images,
)
from shared.errors import ArtifactError
from shared.settings import Settings
from tests.support.device_runs import top1_on_device
from tests.support.fashion_mnist import require_fashion_mnist
from training.fashion_mnist.dataset import CLASSES, first_of_each_class, read_garments
from training.fashion_mnist.image_files import place_on_canvas
from worker.artifact import load_artifact
from worker.models.weights import load_weights
from worker.preprocessing.recipes import open_recipe

CLASS_IDS = [class_id for class_id, _ in CLASSES]


def test_the_demo_holds_at_most_ten_megabytes():
    folder = demo_checkpoint().parent

    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    assert size <= 10_000_000


def test_the_artifact_is_whole_and_knows_the_classes_in_order():
    manifest = load_artifact(demo_artifact()).manifest

    assert [(known.id, known.name) for known in manifest.classes] == list(CLASSES)
    assert (manifest.variant, manifest.input_size) == ("resnest_tiny", 64)
    assert (manifest.device_kind, manifest.precision_asked) == ("cpu", "int8")
    assert manifest.recipe == open_recipe("exact", 64).reference()


def test_the_artifact_was_compiled_from_the_bundled_checkpoint():
    weights = load_artifact(demo_artifact()).manifest.weights

    assert weights.kind == "file"
    assert weights.sha256 == hashlib.sha256(demo_checkpoint().read_bytes()).hexdigest()


def test_the_checkpoint_fits_the_network_strictly(tmp_path):
    loaded = load_weights(str(demo_checkpoint()), "resnest_tiny", 10, cache_dir=tmp_path)

    assert sum(weight.numel() for weight in loaded.model.parameters()) < 1_000_000


def test_unpacking_gives_a_hundred_images_in_each_class_folder_and_can_be_repeated(tmp_path):
    unpack_demo_images(tmp_path / "images")
    folder = unpack_demo_images(tmp_path / "images")

    found = {path.name: len(list(path.glob("*.png"))) for path in folder.iterdir()}
    assert found == dict.fromkeys(CLASS_IDS, 100)


def test_a_demo_without_its_artifact_says_so(monkeypatch):
    monkeypatch.setattr("producer.demo.ARTIFACT_NAME", "no_such_artifact")

    with pytest.raises(ArtifactError, match="no_such_artifact is not installed"):
        demo_artifact()


def test_the_archive_holds_the_first_hundred_test_images_of_each_class():
    test = read_garments("test", require_fashion_mnist())
    content = files("producer.demo").joinpath(IMAGES_NAME).read_bytes()

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        stored = {name: archive.read(name) for name in archive.namelist()}

    chosen = first_of_each_class(test.labels, 100)
    assert sorted(stored) == sorted(
        f"{CLASS_IDS[test.labels[index]]}/{index:05d}.png" for index in chosen
    )
    for name, png in stored.items():
        garment = test.images[int(name[-9:-4])]
        with Image.open(io.BytesIO(png)) as image:
            assert np.array_equal(np.asarray(image), place_on_canvas(garment))


def test_the_bundled_artifact_names_nine_of_ten_bundled_images_rightly(tmp_path):
    paths = sorted(unpack_demo_images(tmp_path / "images").glob("*/*.png"))
    recipe = open_recipe("exact", 64)
    pixels = np.stack([recipe.pixels(path.read_bytes()) for path in paths])
    labels = np.array([CLASS_IDS.index(path.parent.name) for path in paths])

    best = top1_on_device("cpu:0", demo_artifact(), pixels, settings=Settings(data_dir=tmp_path))

    assert (best == labels).mean() >= 0.90
