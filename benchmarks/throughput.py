"""The rows of speed: the whole system and its host pipeline, each in turn with its rivals.

What is timed. Ours: from a job's first claim to its last commit, by the store's clock; everything
between is in it (fetch, decode, crop, batch, network, checksum, commit, acknowledgement, and the
producer's and the aggregator's work for it). Rivals: from before the first file is opened to after
the last answer. Both sides: the same files in the same order, from the page cache, all processes
started and warm; one round before those that count.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.artifacts import compiled_artifact, null_artifact
from benchmarks.corpus import Corpus
from benchmarks.plan import Plan
from benchmarks.rivals.process import (
    DATA_LOADER,
    HAND_TUNED,
    NULL_LOOP,
    ONE_BY_ONE,
    Rival,
    RivalProcess,
)
from benchmarks.row import Row, ratio_row
from benchmarks.statistics import compare
from benchmarks.turn import Turn
from benchmarks.whole_system import WholeSystem, running_system
from worker.artifact import Artifact

#: Answers may differ for this share of the images: batches of other lengths round otherwise.
_MOST_DIFFERENT = 0.01
#: After a turn of the rivals, until Nestor's heartbeats and leader leases are as ever.
_SETTLE_SECONDS = 3.0
_QUICK_SETTLE_SECONDS = 0.5
_NULL_INPUT_SIZE = 224
_NULL_IMAGES_PER_SECOND = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A rival with what the ratio to it must reach."""

    key: str
    rival: Rival
    floor: float | None
    goal: float | None


def whole_system_rows(plan: Plan, corpus: Corpus) -> list[Row]:
    """Measure against the hand-tuned loop, the one-by-one loop and the DataLoader."""
    marks = (
        Mark(key="hand-tuned", rival=HAND_TUNED, floor=0.85, goal=1.00),
        Mark(key="one-by-one", rival=ONE_BY_ONE, floor=1.3, goal=1.7),
        Mark(key="data-loader", rival=DATA_LOADER, floor=None, goal=None),
    )
    side = Side(
        name="whole system",
        artifact=compiled_artifact(plan, corpus),
        device="cpu:0",
        images=plan.scaled(1000, quick=32),
    )
    return _measure(plan, corpus, side, marks)


def host_pipeline_rows(plan: Plan, corpus: Corpus) -> list[Row]:
    """Measure everything but the network: a simulated device that answers at once."""
    artifact = null_artifact(
        plan.scratch / "null-artifact",
        input_size=_NULL_INPUT_SIZE,
        images_per_second=_NULL_IMAGES_PER_SECOND,
    )
    side = Side(
        name="host pipeline",
        artifact=artifact,
        device="simulated:0",
        images=plan.scaled(4000, quick=64),
    )
    mark = Mark(key="host-pipeline", rival=NULL_LOOP, floor=0.85, goal=1.00)
    return _measure(plan, corpus, side, [mark])


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is measured: an artifact on a device, so many images a turn."""

    name: str
    artifact: Artifact
    device: str
    images: int


def _measure(plan: Plan, corpus: Corpus, side: Side, marks: Sequence[Mark]) -> list[Row]:
    ours: list[Turn] = []
    rivals: list[list[Turn]] = [[] for _ in marks]
    with ExitStack() as stack:
        system = stack.enter_context(_system(plan, corpus, side))
        processes = [stack.enter_context(_rival(plan, corpus, side, mark)) for mark in marks]
        for number in range(plan.pairs + 1):
            turns = [
                system.take_turn(side.images),
                *(rival.take_turn(side.images) for rival in processes),
            ]
            _say(number, side, marks, turns)
            if number > 0:  # the round before has warmed everything up
                ours.append(turns[0])
                for kept, turn in zip(rivals, turns[1:], strict=True):
                    kept.append(turn)
        stages = system.stage_seconds
    return [
        _row(plan, side, mark, ours, turns, details={"last_stage_seconds": stages})
        for mark, turns in zip(marks, rivals, strict=True)
    ]


def _system(plan: Plan, corpus: Corpus, side: Side) -> AbstractContextManager[WholeSystem]:
    return running_system(
        plan.scratch / side.name.replace(" ", "-"),
        side.artifact,
        corpus.files,
        device=side.device,
        settle_seconds=_QUICK_SETTLE_SECONDS if plan.quick else _SETTLE_SECONDS,
    )


def _rival(plan: Plan, corpus: Corpus, side: Side, mark: Mark) -> RivalProcess:
    files = plan.scratch / "files.txt"
    files.write_text("".join(f"{path}\n" for path in corpus.files))
    return RivalProcess(
        mark.rival,
        artifact=side.artifact.folder,
        files=files,
        log=plan.scratch / f"{mark.key}.log",
    )


def _row(
    plan: Plan,
    side: Side,
    mark: Mark,
    ours: Sequence[Turn],
    rival: Sequence[Turn],
    *,
    details: dict[str, Any],
) -> Row:
    comparison = compare(
        [turn.images_per_second for turn in ours], [turn.images_per_second for turn in rival]
    )
    different = max(_different(mine, other) for mine, other in zip(ours, rival, strict=True))
    reasons = list(plan.invalid_reasons)
    if different > _MOST_DIFFERENT:
        reasons.append(f"the rival answers otherwise for {different:.1%} of the images")
    return ratio_row(
        mark.key,
        f"{side.name} / {mark.rival.name}",
        comparison,
        floor=mark.floor,
        goal=mark.goal,
        invalid_reasons=reasons,
        details=details
        | {
            "images_per_turn": side.images,
            "ours_images_per_second": [turn.images_per_second for turn in ours],
            "rival_images_per_second": [turn.images_per_second for turn in rival],
            "ours_submit_to_end_seconds": [turn.wall_seconds for turn in ours],
            "ours_claim_to_commit_seconds": [turn.seconds for turn in ours],
            "ours_cpu_ms_per_image": _cpu_ms_per_image(ours),
            "rival_cpu_ms_per_image": _cpu_ms_per_image(rival),
        },
    )


def _different(mine: Turn, other: Turn) -> float:
    pairs = zip(mine.best_classes, other.best_classes, strict=True)
    return sum(left != right for left, right in pairs) / mine.images


def _cpu_ms_per_image(turns: Sequence[Turn]) -> float:
    return round(median(1000 * turn.cpu_seconds / turn.images for turn in turns), 3)


def _say(number: int, side: Side, marks: Sequence[Mark], turns: Sequence[Turn]) -> None:
    names = [side.name, *(mark.rival.name for mark in marks)]
    rates = (
        f"{name} {turn.images_per_second:.1f}" for name, turn in zip(names, turns, strict=True)
    )
    wall = f"submit to end {turns[0].wall_seconds:.1f} s"
    label = f"round {number}" if number else "warm-up"
    print(f"  {label}: {', '.join(rates)} images/s; {wall}", flush=True)
