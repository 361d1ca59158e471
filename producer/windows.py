"""How much of a job may lie in Redis and in SQL: bounds in time, turned into chunks. Pure."""

import math

from shared.settings import Settings
from shared.store.artifacts import Capacity

#: The enumeration window is this many publish windows.
ENUMERATION_FACTOR = 4
#: A job without live workers may publish this much, so that the first worker finds something.
SMALLEST_WINDOW_CHUNKS = 4
#: A message may always take this long from Redis to a claim.
SHORTEST_PATIENCE_SECONDS = 5.0
#: Chunk sizes stay between these.
SMALLEST_CHUNK_IMAGES = 16
LARGEST_CHUNK_IMAGES = 512


def chunk_size(images_per_second: float, settings: Settings) -> int:
    """Return about `chunk_seconds` of one worker's work, in images."""
    wanted = round(images_per_second * settings.chunk_seconds)
    return max(SMALLEST_CHUNK_IMAGES, min(LARGEST_CHUNK_IMAGES, wanted))


def publish_window(size: int, capacity: Capacity, settings: Settings) -> int:
    """Return how many chunks of `size` images a job may have in Redis or with workers."""
    in_time = math.ceil(capacity.images_per_second * settings.publish_window_seconds / size)
    return max(SMALLEST_WINDOW_CHUNKS, 2 * capacity.chunk_slots, in_time)


def enumeration_window(size: int, capacity: Capacity, settings: Settings) -> int:
    """Return how many chunks of `size` images a job may have in SQL that are not done."""
    return ENUMERATION_FACTOR * publish_window(size, capacity, settings)


def patience_seconds(queued_images: int, capacity: Capacity) -> float:
    """Return how long a published chunk may stay unclaimed before its message counts as lost.

    Five times what the artifact's queue, as it is now, takes to drain by the rates that workers
    state, and at least 5 s. Without workers nothing is lost yet: for ever.
    """
    if capacity.images_per_second <= 0:
        return math.inf
    return max(SHORTEST_PATIENCE_SECONDS, 5 * queued_images / capacity.images_per_second)
