"""Fixtures for tests of the whole system: what the cheapest artifact must answer."""

import numpy as np
import pytest

from shared.settings import Settings
from tests.support.device_runs import top1_on_device
from tests.support.tiny_images import FILES, tiny_png
from worker.preprocessing.recipes import open_recipe


@pytest.fixture(scope="session")
def expected_top1(tiny_artifact_size_8, tmp_path_factory) -> list[int]:
    """The best class of each of the sixteen tiny files, straight from the device."""
    recipe = open_recipe("exact", 8)
    pixels = np.stack([recipe.pixels(tiny_png(number)) for number in range(FILES)])
    settings = Settings(data_dir=tmp_path_factory.mktemp("expected"))
    top1 = top1_on_device("cpu:0", tiny_artifact_size_8.folder, pixels, settings=settings)
    assert len(set(top1.tolist())) > 1, "all files get one class: the comparison would be blind"
    return top1.tolist()
