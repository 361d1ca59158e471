"""A tuned torch DataLoader before the same compiled graph, asynchronously.

Two worker processes, four batches prefetched by each, uint8 from the workers, workers kept between
rounds; batches arrive in shared memory and are copied into request tensors.
"""

from collections.abc import Iterator, Sized

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from benchmarks.rivals.openvino_requests import RequestPool
from benchmarks.rivals.serving import Workload, read_workload, serve
from worker.devices.cores import available_cores

_PREFETCH = 4


class ImageFiles(Dataset[NDArray[np.uint8]], Sized):
    """The pixels of the files, by number."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload

    def __len__(self) -> int:
        return len(self._workload.files)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self._workload.recipe.pixels(self._workload.path(index).read_bytes())


class Round(Sampler[int]):
    """The numbers of a round; set `images` before iterating."""

    def __init__(self) -> None:
        self.images = 0

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.images))

    def __len__(self) -> int:
        return self.images


def stack(pixels: list[NDArray[np.uint8]]) -> torch.Tensor:
    """Make one tensor of a batch; the loader moves it to shared memory."""
    return torch.from_numpy(np.stack(pixels))


class DataLoaderLoop:
    """The loader, started before OpenVINO so that its forked workers hold no threads of it."""

    def __init__(self, workload: Workload) -> None:
        self._round = Round()
        batch_size = workload.artifact.manifest.batch_size
        self._loader = DataLoader(
            ImageFiles(workload),
            batch_size=batch_size,
            sampler=self._round,
            num_workers=available_cores(),
            prefetch_factor=_PREFETCH,
            persistent_workers=True,
            collate_fn=stack,
            worker_init_fn=_one_thread,
        )
        self._round.images = batch_size
        for _ in self._loader:  # starts the workers
            pass
        self._pool = RequestPool(workload.artifact, requests=2 * available_cores())

    def classify(self, images: int) -> list[int]:
        """Classify a round."""
        self._round.images = images
        self._pool.expect(images)
        batches = 0
        first = 0
        for batch in self._loader:
            slot = self._pool.take()
            slot.pixels[: len(batch)] = batch.numpy()
            self._pool.start(slot, first=first, images=len(batch))
            batches += 1
            first += len(batch)
        self._pool.wait(batches)
        return self._pool.best_classes


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(DataLoaderLoop(read_workload()).classify)
