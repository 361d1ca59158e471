"""Running pixels straight through a device, without queue or store."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.settings import Settings
from worker.artifact import load_artifact
from worker.devices import open_device


def top1_on_device(
    name: str, artifact: Path, pixels: NDArray[np.uint8], *, settings: Settings
) -> NDArray[np.int32]:
    """Return the best class of each image, pixels uint8 (images, S, S, 3)."""
    device = open_device(name, load_artifact(artifact), settings)
    try:
        futures = [
            device.submit(pixels[start : start + device.batch_size])
            for start in range(0, len(pixels), device.batch_size)
        ]
        return np.concatenate([future.result().class_indices[:, 0] for future in futures])
    finally:
        device.close()
