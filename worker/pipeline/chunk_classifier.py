"""Classifies chunks: the whole way from references to outcomes, for one artifact on one device.

    slots -> [fetch] -> [decode] -> [device] -> outcomes

Images of several chunks are on their way together; batches are formed across chunks. Everything
between the stages is bounded, so a slow stage holds up those before it instead of filling memory.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from shared.errors import (
    BadReference,
    DecodeError,
    FetchError,
    ImageError,
    MachineError,
    PipelineStopped,
    UsageError,
)
from shared.image_reference import ImageReference
from shared.logs import get_log
from shared.settings import Settings
from shared.store.predictions import Outcome
from worker.devices.base import Device
from worker.devices.cores import available_cores
from worker.fetching.base import Fetcher
from worker.pipeline.byte_budget import ByteBudget
from worker.pipeline.chunk_progress import ChunkProgress
from worker.pipeline.device_feeder import DeviceFeeder, ReadyImage
from worker.pipeline.stage import Stage
from worker.pipeline.stage_clock import StageClock
from worker.preprocessing.recipes import Recipe

_log = get_log(__name__)

#: What a stage returns: the call that hands its result to the next one.
HandOn = Callable[[], None]

#: References that wait to be fetched: enough that no fetch thread idles between two puts.
FETCH_QUEUE = 64
#: Threads that read files of this machine: they hardly ever wait, and each one more costs time.
LOCAL_FETCH_THREADS = 4
#: Fetched images that wait for a decoder thread; their bytes have a budget of their own.
DECODE_QUEUE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedImage:
    """A reference on its way to be fetched."""

    progress: ChunkProgress
    position: int
    reference: ImageReference


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedImage:
    """An image's bytes on their way to be decoded."""

    wanted: WantedImage
    data: bytes


def is_local(uri: str) -> bool:
    """Say whether an image is a file that this machine's kernel reads."""
    return uri.startswith(("/", "file:"))


class ChunkClassifier:
    """The stages of one artifact; `classify` may be called by several threads at once."""

    def __init__(
        self,
        *,
        device: Device,
        recipe: Recipe,
        fetcher: Fetcher,
        settings: Settings,
        clock: StageClock,
        on_device_error: Callable[[MachineError, int], None],
    ) -> None:
        self._recipe = recipe
        self._fetcher = fetcher
        self._stopped = False
        self._under_way: set[ChunkProgress] = set()
        self._budget = ByteBudget(settings.max_bytes_in_flight)
        self._feeder = DeviceFeeder(device, clock=clock, on_device_error=on_device_error)
        self._decode: Stage[FetchedImage] = Stage(
            "decode",
            self._decode_image,
            threads=settings.decode_threads or available_cores(),
            capacity=DECODE_QUEUE,
            clock=clock,
        )
        self._fetch_local, self._fetch_remote = (
            Stage("fetch", self._fetch_image, threads=threads, capacity=FETCH_QUEUE, clock=clock)
            for threads in (
                min(LOCAL_FETCH_THREADS, settings.fetch_threads),
                settings.fetch_threads,
            )
        )

    def start(self) -> None:
        """Start the threads of all stages; those that fetch start when they are needed."""
        self._feeder.start()
        self._decode.start()

    def classify(self, references: Sequence[ImageReference]) -> list[Outcome]:
        """Return one outcome for each reference, in their order; blocks until all are there.

        Raises:
            MachineError: a machine failed or is stopping: the chunk must be tried again.
        """
        return self.wait(self.submit(references))

    def submit(self, references: Sequence[ImageReference]) -> ChunkProgress:
        """Send references on their way; blocks while the stages are full."""
        progress = ChunkProgress(references)
        self._under_way.add(progress)
        for position, reference in enumerate(references):
            if self._stopped:
                progress.give_up(PipelineStopped("the worker is stopping"))
            if progress.is_given_up:
                break
            fetch = self._fetch_local if is_local(reference.uri) else self._fetch_remote
            fetch.start()
            fetch.put(WantedImage(progress=progress, position=position, reference=reference))
        return progress

    def wait(self, progress: ChunkProgress) -> list[Outcome]:
        """Wait for what `submit` sent on its way."""
        try:
            return progress.wait()
        finally:
            self._under_way.discard(progress)

    def abort(self) -> None:
        """Give up every chunk that is under way: their slots get PipelineStopped."""
        self._stopped = True
        for progress in list(self._under_way):
            progress.give_up(PipelineStopped("the worker is stopping"))

    def close(self) -> None:
        """End the stages in the order of the flow; what is queued is finished first."""
        self._fetch_local.close()
        self._fetch_remote.close()
        self._decode.close()
        self._feeder.close()

    def _fetch_image(self, wanted: WantedImage) -> HandOn | None:
        return _attempt(wanted, partial(self._fetched, wanted), unexpected=FetchError)

    def _fetched(self, wanted: WantedImage) -> HandOn:
        if wanted.reference.problem is not None:
            raise BadReference(wanted.reference.problem)
        data = self._fetcher.fetch(wanted.reference.uri)
        return partial(self._to_decode, FetchedImage(wanted=wanted, data=data))

    def _to_decode(self, fetched: FetchedImage) -> None:
        self._budget.acquire(len(fetched.data))
        self._decode.put(fetched)

    def _decode_image(self, fetched: FetchedImage) -> HandOn | None:
        digest = hashlib.sha256(fetched.data).digest()
        step = partial(self._decoded, fetched, digest)
        try:
            return _attempt(fetched.wanted, step, unexpected=DecodeError, input_sha256=digest)
        finally:
            self._budget.release(len(fetched.data))

    def _decoded(self, fetched: FetchedImage, digest: bytes) -> HandOn:
        image = ReadyImage(
            progress=fetched.wanted.progress,
            position=fetched.wanted.position,
            reference=fetched.wanted.reference,
            pixels=self._recipe.pixels(fetched.data),
            input_sha256=digest,
        )
        return partial(self._feeder.put, image)


def _attempt(
    wanted: WantedImage,
    step: Callable[[], HandOn],
    *,
    unexpected: type[ImageError],
    input_sha256: bytes | None = None,
) -> HandOn | None:
    """Take one image one step on; what fails is settled here, and nothing is handed on.

    An image's error is its row; a machine's error hands the chunk back. Settings that cannot be
    used and memory that is not there are a machine's.
    """
    progress = wanted.progress
    if progress.is_given_up:
        return None
    try:
        return step()
    except ImageError as error:
        progress.reject(wanted.position, error, input_sha256=input_sha256)
    except (MachineError, UsageError, MemoryError) as error:
        _log.warning("machine_failed", index=wanted.reference.index, error=str(error))
        progress.give_up(MachineError(f"{unexpected.stage}: {error or 'out of memory'}"))
    except Exception as error:  # noqa: BLE001 - per image: a row, and the trace in the log
        _log.exception("image_failed", stage=unexpected.stage, index=wanted.reference.index)
        failure = unexpected(repr(error))
        progress.reject(wanted.position, failure, input_sha256=input_sha256)
    return None
