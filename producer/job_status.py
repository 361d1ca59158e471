"""What `nestor status` says of a job: the running figures from its row, nothing counted anew."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from shared.accuracy.rates import Accuracy
from shared.redaction import redact_uri
from shared.store import artifacts
from shared.store.jobs import Job


def job_status(connection: sa.Connection, job: Job) -> dict[str, Any]:
    """Return the document that `status`, `submit --wait` and `demo` print with --json."""
    manifest = artifacts.find_manifest(connection, job.artifact_digest)
    counts = job.counts
    accuracy = Accuracy.from_counts(counts, class_count=len(manifest.classes))
    return {
        "job_id": job.id,
        "state": job.state.value,
        "stalled": job.stalled_reason,
        "error": job.error,
        "source": redact_uri(job.source),
        "counts": counts.as_dict(),
        "accuracy": accuracy.as_dict(),
        "images_per_second": job.images_per_second,
        "artifact": {
            "name": manifest.name,
            "digest": manifest.digest,
            "precision": manifest.precision_used,
            "random_weights": manifest.has_random_weights,
        },
        "failures": dict(job.failures),
        "unresolved_labels": job.unresolved_labels,
        "state_times": dict(job.state_times),
    }


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """Return the same for people."""
    counts, accuracy = status["counts"], status["accuracy"]
    total = "?" if counts["total"] is None else f"{counts['total']:,}"
    lines = [
        f"job {status['job_id']}: {status['state']}, artifact {status['artifact']['name']}",
        f"images   {counts['predicted']:,} predicted, {counts['failed']:,} failed, {total} in all",
    ]
    for name in ("top1", "top5"):
        if accuracy[name] is not None:
            low, high = accuracy[f"{name}_interval"]
            lines.append(f"{name:<8} {accuracy[name]:.2%}  (95 %: {low:.2%} to {high:.2%})")
    if status["images_per_second"] is not None:
        lines.append(f"rate     {status['images_per_second']:,.0f} images/s")
    for reason, count in sorted(status["failures"].items()):
        lines.append(f"failed   {count:,} {reason}")
    unresolved = status["unresolved_labels"]
    if unresolved:
        examples = ", ".join(repr(text) for text in list(unresolved["texts"])[:3])
        lines.append(f"labels   {unresolved['count']:,} name no class, such as {examples}")
    for name in ("stalled", "error"):
        if status[name]:
            lines.append(f"{name:<8} {status[name]}")
    return lines
