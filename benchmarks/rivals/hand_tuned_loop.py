"""The best single-process loop we can write by hand.

As many decode threads as cores write pixels straight into request tensors; asynchronous requests
keep both streams of the network busy; nothing is queued, stored or checked.
"""

import itertools
import threading

from benchmarks.rivals.openvino_requests import RequestPool
from benchmarks.rivals.serving import Workload, read_workload, serve
from worker.devices.cores import available_cores


class HandTunedLoop:
    """Decode threads and requests that live for one process."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._decoders = available_cores()
        # One request for each thread to fill, one to run on each stream.
        self._pool = RequestPool(workload.artifact, requests=2 * self._decoders)

    def classify(self, images: int) -> list[int]:
        """Classify a round."""
        self._pool.expect(images)
        starts = list(range(0, images, self._pool.batch_size))
        numbers = itertools.count()  # next() on it is atomic
        threads = [
            threading.Thread(target=self._decode_batches, args=(starts, numbers, images))
            for _ in range(self._decoders)
        ]
        for thread in threads:
            thread.start()
        self._pool.wait(len(starts))
        for thread in threads:
            thread.join()
        return self._pool.best_classes

    def _decode_batches(self, starts: list[int], numbers: "itertools.count[int]", end: int) -> None:
        while (number := next(numbers)) < len(starts):
            first = starts[number]
            count = min(self._pool.batch_size, end - first)
            slot = self._pool.take()
            for row in range(count):
                content = self._workload.path(first + row).read_bytes()
                slot.pixels[row] = self._workload.recipe.pixels(content)
            self._pool.start(slot, first=first, images=count)


if __name__ == "__main__":
    serve(HandTunedLoop(read_workload()).classify)
