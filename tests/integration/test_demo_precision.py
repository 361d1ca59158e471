"""What compiling costs in accuracy, on all 10,000 test images of Fashion-MNIST."""

import numpy as np
import pytest
import torch

from producer.demo import demo_artifact, demo_checkpoint
from shared.settings import Settings
from tests.support.device_runs import top1_on_device
from tests.support.fashion_mnist import require_fashion_mnist
from training.fashion_mnist.dataset import read_garments
from training.fashion_mnist.make_demo import compile_artifact
from training.fashion_mnist.pixels import recipe_pixels
from training.fashion_mnist.train import predict
from worker.models.weights import load_weights

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def test_images():
    return read_garments("test", require_fashion_mnist())


@pytest.fixture(scope="module")
def planes(test_images):
    return recipe_pixels(test_images)


@pytest.fixture(scope="module")
def pixels(planes):
    return np.repeat(planes[..., None], 3, axis=3)


@pytest.fixture(scope="module")
def eager(planes, tmp_path_factory):
    """Probabilities by torch eager in fp32."""
    loaded = load_weights(
        str(demo_checkpoint()), "resnest_tiny", 10, cache_dir=tmp_path_factory.mktemp("weights")
    )
    return predict(loaded.model, torch.from_numpy(planes))


def test_the_checkpoint_is_as_accurate_as_its_page_says(eager, test_images):
    assert (eager.argmax(1) == test_images.labels).mean() >= 0.92


def test_int8_stays_within_three_tenths_of_a_point_of_eager_fp32(
    eager, test_images, pixels, tmp_path
):
    compiled = top1_on_device(
        "cpu:0", demo_artifact(), pixels, settings=Settings(data_dir=tmp_path)
    )

    top1 = (compiled == test_images.labels).mean()
    assert abs(top1 - (eager.argmax(1) == test_images.labels).mean()) <= 0.003


def test_compiled_fp32_agrees_with_eager_wherever_eager_has_a_margin(
    eager, pixels, tmp_path, monkeypatch
):
    monkeypatch.setenv("NESTOR_DATA_DIR", str(tmp_path / "data"))
    artifact = compile_artifact(
        demo_checkpoint(), data_folder=require_fashion_mnist(), scratch=tmp_path, precision="fp32"
    )

    compiled = top1_on_device("cpu:0", artifact, pixels, settings=Settings(data_dir=tmp_path))

    second, first = np.sort(eager, axis=1)[:, -2:].T
    sure = first - second > 1e-3
    assert sure.sum() > 9_900
    assert np.array_equal(compiled[sure], eager.argmax(1)[sure])
