"""The rows of speed: the whole system and its host pipeline, each in turn with its rivals.

What is timed. Ours: from a job's first claim to its last commit, by the store's clock; everything
between is in it (fetch, decode, crop, batch, network, checksum, commit, acknowledgement, and the
producer's and the aggregator's work for it). Rivals: from before the first file is opened to after
the last answer. Both sides: the same files in the same order, from the page cache, all processes
started and warm; one round before those that count.
"""

from collections.abc import Sequence
from contextlib import ExitStack
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
from benchmarks.whole_system import running_system
from worker.artifact import Artifact

#: Answers may differ for this share of the images: batches of other lengths round otherwise.
_MOST_DIFFERENT = 0.01
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
    return _measure(
        plan,
        corpus,
        compiled_artifact(plan, corpus),
        marks,
        device="cpu:0",
        images=plan.scaled(1000, quick=32),
        side="whole system",
    )


def host_pipeline_rows(plan: Plan, corpus: Corpus) -> list[Row]:
    """Measure everything but the network: a simulated device that answers at once."""
    artifact = null_artifact(
        plan.scratch / "null-artifact",
        input_size=_NULL_INPUT_SIZE,
        images_per_second=_NULL_IMAGES_PER_SECOND,
    )
    return _measure(
        plan,
        corpus,
        artifact,
        (Mark(key="host-pipeline", rival=NULL_LOOP, floor=0.85, goal=1.00),),
        device="simulated:0",
        images=plan.scaled(4000, quick=64),
        side="host pipeline",
    )


def _measure(
    plan: Plan,
    corpus: Corpus,
    artifact: Artifact,
    marks: Sequence[Mark],
    *,
    device: str,
    images: int,
    side: str,
) -> list[Row]:
    files = plan.scratch / "files.txt"
    files.write_text("".join(f"{path}\n" for path in corpus.files))
    ours: list[Turn] = []
    rivals: list[list[Turn]] = [[] for _ in marks]
    with ExitStack() as stack:
        folder = plan.scratch / side.replace(" ", "-")
        system = stack.enter_context(running_system(folder, artifact, corpus.files, device=device))
        processes = [
            stack.enter_context(
                RivalProcess(
                    mark.rival,
                    artifact=artifact.folder,
                    files=files,
                    log=plan.scratch / f"{mark.key}.log",
                )
            )
            for mark in marks
        ]
        for number in range(plan.pairs + 1):
            turns = [system.take_turn(images), *(rival.take_turn(images) for rival in processes)]
            _say(number, side, marks, turns)
            if number > 0:  # the round before has warmed everything up
                ours.append(turns[0])
                for kept, turn in zip(rivals, turns[1:], strict=True):
                    kept.append(turn)
        stages = system.stage_seconds
    return [
        _row(plan, mark, ours, turns, side=side, details={"last_stage_seconds": stages})
        for mark, turns in zip(marks, rivals, strict=True)
    ]


def _row(
    plan: Plan,
    mark: Mark,
    ours: Sequence[Turn],
    rival: Sequence[Turn],
    *,
    side: str,
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
        f"{side} / {mark.rival.name}",
        comparison,
        floor=mark.floor,
        goal=mark.goal,
        invalid_reasons=reasons,
        details=details
        | {
            "images_per_turn": ours[0].images,
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


def _say(number: int, side: str, marks: Sequence[Mark], turns: Sequence[Turn]) -> None:
    names = [side, *(mark.rival.name for mark in marks)]
    rates = (
        f"{name} {turn.images_per_second:.1f}" for name, turn in zip(names, turns, strict=True)
    )
    wall = f"submit to end {turns[0].wall_seconds:.1f} s"
    label = f"round {number}" if number else "warm-up"
    print(f"  {label}: {', '.join(rates)} images/s; {wall}", flush=True)
