"""`nestor report`: a job's evaluation as text, JSON or one page; perhaps beside a baseline."""

from pathlib import Path
from typing import Any

from producer.commands.stores import connected_settings, open_store
from producer.report import BaselineComparison, Mistake, render_html, render_text
from producer.report.thumbnails import image_reader, thumbnail
from shared.accuracy.comparison import paired_comparison
from shared.accuracy.evaluation import Evaluation
from shared.errors import JobError
from shared.redaction import redact_uri
from shared.settings import Settings
from shared.store import artifacts
from shared.store.engine import Store
from shared.store.evaluations import answers_by_key, load_evaluation, most_confident_mistakes
from shared.store.jobs import Job, get_job

#: The page shows this many of the surest mistakes.
SHOWN_MISTAKES = 24


def make_report(
    job_id: str, *, html: Path | None, baseline: str | None
) -> tuple[dict[str, Any], list[str]]:
    """Return the evaluation's document and its lines; write the page where `html` says.

    Raises:
        JobError: if a job is not there or has no evaluation yet.
    """
    settings = connected_settings()
    with open_store(settings) as store:
        job, evaluation = _evaluated(store, job_id)
        comparison = _compare(store, job, baseline) if baseline else None
        if html is not None:
            mistakes = _mistakes(store, job, settings)
            html.write_text(render_html(evaluation, mistakes, comparison=comparison))
    document = evaluation.as_dict()
    if comparison is not None:
        document["baseline"] = {"job_id": comparison.job_id, **comparison.figures.as_dict()}
    return document, render_text(evaluation, comparison=comparison)


def _evaluated(store: Store, job_id: str) -> tuple[Job, Evaluation]:
    with store.read() as connection:
        job = get_job(connection, job_id)
        document = load_evaluation(connection, job.key)
    if document is None:
        raise JobError(f"job {job.id} is {job.state}: its evaluation is written when it ends")
    return job, Evaluation.from_dict(document)


def _compare(store: Store, job: Job, baseline_id: str) -> BaselineComparison:
    baseline, _ = _evaluated(store, baseline_id)
    figures = paired_comparison(answers_by_key(store, baseline.key), answers_by_key(store, job.key))
    return BaselineComparison(job_id=baseline.id, figures=figures)


def _mistakes(store: Store, job: Job, settings: Settings) -> list[Mistake]:
    with store.read() as connection:
        manifest = artifacts.find_manifest(connection, job.artifact_digest)
        rows = most_confident_mistakes(connection, job.key, limit=SHOWN_MISTAKES)
    with image_reader(settings) as read:
        return [
            Mistake(
                index=row.image_index,
                uri_redacted=redact_uri(row.uri),
                true_name=manifest.classes[row.label].name,
                predicted_name=manifest.classes[row.top1_class].name,
                probability=row.top1_probability,
                thumbnail_jpeg=thumbnail(read, row.uri),
            )
            for row in rows
        ]
