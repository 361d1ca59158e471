"""Pictures to test with: gradients, stripes, discs and grain, different for each seed."""

import numpy as np
from numpy.typing import NDArray

_DISCS = 6


def draw_picture(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Return a picture, uint8 RGB (height, width, 3): the same one for the same arguments."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / max(width - 1, 1), y / max(height - 1, 1)
    corners = random.uniform(30, 225, (4, 3))
    picture = (
        corners[0] * ((1 - u) * (1 - v))[..., None]
        + corners[1] * (u * (1 - v))[..., None]
        + corners[2] * ((1 - u) * v)[..., None]
        + corners[3] * (u * v)[..., None]
    )
    for _ in range(_DISCS):
        centre_u, centre_v = random.uniform(0, 1, 2)
        radius = random.uniform(0.05, 0.3)
        inside = (u - centre_u) ** 2 + (v - centre_v) ** 2 < radius**2
        waves = np.sin(x * random.uniform(0.05, 1.5) + y * random.uniform(0.05, 1.5))
        colour = random.uniform(0, 255, 3) + 60 * waves[..., None]
        picture = np.where(inside[..., None], colour, picture)
    picture += random.normal(0, 5, picture.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return pixels
