"""The Fashion-MNIST files of Debian's package, for tests that need all 10,000 test images."""

import os
from pathlib import Path

import pytest

from training.fashion_mnist.dataset import DEBIAN_FOLDER


def require_fashion_mnist() -> Path:
    """Return the data set's folder; without it skip, or fail in CI, where it must be installed."""
    if (DEBIAN_FOLDER / "t10k-images-idx3-ubyte.gz").exists():
        return DEBIAN_FOLDER
    reason = "needs Fashion-MNIST: apt-get install dataset-fashion-mnist"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
