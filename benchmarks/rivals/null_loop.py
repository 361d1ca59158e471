"""The host pipeline alone, by hand: threads that decode and crop into batches nobody looks at."""

import itertools
import threading

import numpy as np

from benchmarks.rivals.serving import Workload, read_workload, serve
from worker.devices.cores import available_cores
from worker.devices.simulated_device import best_classes, simulated_probabilities


class NullLoop:
    """As many threads as the worker decodes with, and a network that answers at once."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        manifest = workload.artifact.manifest
        self._shape = (manifest.batch_size, manifest.input_size, manifest.input_size, 3)
        self._classes = len(manifest.classes)

    def classify(self, images: int) -> list[int]:
        """Make the pixels of a round; the answers are those of the simulated device."""
        best = [-1] * images
        numbers = itertools.count()  # next() on it is atomic
        threads = [
            threading.Thread(target=self._decode_batches, args=(numbers, best))
            for _ in range(available_cores())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return best

    def _decode_batches(self, numbers: "itertools.count[int]", best: list[int]) -> None:
        pixels = np.zeros(self._shape, np.uint8)
        while (first := next(numbers) * len(pixels)) < len(best):
            count = min(len(pixels), len(best) - first)
            for row in range(count):
                content = self._workload.path(first + row).read_bytes()
                pixels[row] = self._workload.recipe.pixels(content)
            answers = simulated_probabilities(pixels[:count], classes=self._classes)
            best[first : first + count] = best_classes(answers, 1).class_indices[:, 0].tolist()


if __name__ == "__main__":
    serve(NullLoop(read_workload()).classify)
