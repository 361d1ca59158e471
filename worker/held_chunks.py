"""The chunks that this process holds, by the epochs it holds them with."""

from dataclasses import dataclass
from threading import Lock

from shared.errors import PipelineStopped
from worker.pipeline.chunk_progress import ChunkProgress


@dataclass(slots=True)
class HeldChunk:
    """A claimed chunk; `progress` is set once its images are on their way."""

    epoch: int
    progress: ChunkProgress | None = None


class HeldChunks:
    """Shared between the slots, which claim and finish, and the heartbeat, which renews."""

    def __init__(self) -> None:
        self._held: dict[int, HeldChunk] = {}
        self._lock = Lock()

    def add(self, chunk_id: int, epoch: int) -> HeldChunk:
        """Note a claim."""
        with self._lock:
            held = self._held[chunk_id] = HeldChunk(epoch)
            return held

    def remove(self, chunk_id: int) -> None:
        """Note that a chunk is finished or handed back."""
        with self._lock:
            self._held.pop(chunk_id, None)

    def epochs(self) -> dict[int, int]:
        """Return chunk id -> epoch of all that is held."""
        with self._lock:
            return {chunk_id: held.epoch for chunk_id, held in self._held.items()}

    def lose(self, chunk_ids: set[int]) -> None:
        """Stop working on chunks that another worker, or nobody any more, is to do."""
        with self._lock:
            lost = [self._held[chunk_id] for chunk_id in chunk_ids & self._held.keys()]
        for held in lost:
            if held.progress is not None:
                held.progress.give_up(PipelineStopped("the chunk was taken away"))
