"""What the parts of one worker process share."""

from dataclasses import dataclass, field

from shared.settings import Settings
from shared.store.engine import Store
from worker.held_chunks import HeldChunks
from worker.pipeline.stage_clock import StageClock
from worker.rate_meter import RateMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One worker process; `key` names it in the store."""

    key: int
    store: Store
    settings: Settings
    clock: StageClock
    meter: RateMeter
    held: HeldChunks = field(default_factory=HeldChunks)
