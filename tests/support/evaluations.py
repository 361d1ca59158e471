"""Plausible evaluations for tests of what people read, generated from a seed."""

import random
from collections import Counter
from dataclasses import replace

from shared.accuracy import (
    Counts,
    EvaluatedArtifact,
    Evaluation,
    StageSeconds,
    build_evaluation,
    calibration_bins,
)
from shared.artifact_manifest import ClassName

GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
#: What is mistaken for what, and how often among its images.
_MISTAKEN = {
    0: {6: 0.10, 2: 0.02, 3: 0.02},
    2: {4: 0.06, 6: 0.06},
    3: {6: 0.03, 4: 0.03},
    4: {2: 0.07, 6: 0.07},
    5: {7: 0.02},
    6: {0: 0.12, 2: 0.07, 4: 0.06, 3: 0.03},
    7: {9: 0.03},
    9: {7: 0.04},
}


def class_names(names=GARMENTS):
    return [ClassName(id=f"c{index:04d}", name=name) for index, name in enumerate(names)]


def sample_evaluation(*, names=GARMENTS, images=10_000, seed=7, **changes) -> Evaluation:
    """Draw `images` labelled images of the ten garments, 37 more that fail and 20 unlabelled."""
    chance = random.Random(seed)
    confusion: Counter[tuple[int, int]] = Counter()
    answers = []
    for number in range(images):
        true = number % len(GARMENTS)
        predicted = _answer(chance, true)
        confusion[true, predicted] += 1
        sure = chance.betavariate(9, 0.8) if predicted == true else chance.betavariate(4, 2)
        answers.append((max(sure, 0.2), predicted == true))
    right = sum(count for (true, predicted), count in confusion.items() if true == predicted)
    evaluation = build_evaluation(
        confusion=confusion,
        class_names=class_names(names),
        job_id="01jz7m3c4n",
        state="completed_with_errors",
        source="s3://garments/test-2026-07/",
        artifact=EvaluatedArtifact(
            name="resnest_tiny-fashion-int8",
            variant="resnest_tiny",
            digest="4f1c" * 16,
            recipe_digest="9ab0" * 16,
            precision_used="int8 (u8i8), fp32 in the head",
        ),
        devices=("cpu:0", "cpu:1"),
        random_weights=False,
        counts=Counts(
            total=images + 57,
            predicted=images + 20,
            failed=37,
            labelled=images + 30,
            predicted_labelled=images,
            top1_correct=right,
            top5_correct=right + (images - right) * 9 // 10,
        ),
        calibration=calibration_bins(answers),
        failures={"not_found": 24, "truncated": 9, "not_an_image": 4},
        images_per_second=1234.5,
        started_unix_seconds=1_785_000_000.0,
        finished_unix_seconds=1_785_000_492.0,
        stage_seconds={
            "fetch": StageSeconds(busy=410.0, starved=90.0, blocked=2300.0),
            "decode": StageSeconds(busy=905.0, starved=21.0, blocked=44.0),
            "device": StageSeconds(busy=301.0, starved=180.0, blocked=4.0),
        },
    )
    return replace(evaluation, **changes)


def _answer(chance: random.Random, true: int) -> int:
    draw = chance.random()
    for predicted, share in _MISTAKEN.get(true, {}).items():
        draw -= share
        if draw < 0:
            return predicted
    return true
