"""The aggregator process: folds finished chunks into running figures and ends jobs.

Data flow: prediction rows and chunk counters in SQL -> job counters -> evaluation. It decides the
end of a job under the job row's lock: listing done, no chunk open, none unfolded.
"""

import signal
import threading

from shared.accuracy.evaluation import EvaluatedArtifact, Evaluation, build_evaluation
from shared.accuracy.rates import Counts
from shared.accuracy.stages import StageSeconds
from shared.leader_loop import LeaderLoop
from shared.logs import get_log, set_up_logs
from shared.redaction import redact_uri
from shared.settings import read_settings
from shared.store import artifacts, evaluations, jobs
from shared.store.engine import Store, now
from shared.store.folding import MAX_CHUNKS, fold_finished_chunks, is_settled
from shared.store.job_states import ENDING, JobState
from shared.store.jobs import Job

_log = get_log(__name__)


def main() -> None:
    """Run the aggregator until SIGTERM or SIGINT."""
    settings = read_settings()
    set_up_logs(process="aggregator")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store = Store(settings.require_store_url())
    aggregator = Aggregator(store)
    loop = LeaderLoop("aggregate", aggregator.step, store=store, poll_seconds=settings.poll_seconds)
    loop.start()
    _log.info("aggregator_ready")
    stopping.wait()
    loop.stop()
    store.close()
    _log.info("aggregator_stopped")


class Aggregator:
    """One step folds what is finished and ends the jobs that are done."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def step(self) -> bool:
        """Fold, then look for jobs at their end; True if there is more to fold now."""
        with self._store.write() as connection:
            folded = fold_finished_chunks(connection)
        with self._store.read() as connection:
            candidates = [
                job
                for job in jobs.open_jobs(connection)
                if job.state in ENDING or (job.state is JobState.RUNNING and job.listing_done)
            ]
        for job in candidates:
            self._end_if_settled(job)
        return folded == MAX_CHUNKS

    def _end_if_settled(self, job: Job) -> None:
        with self._store.write() as connection:
            job = jobs.lock_job(connection, job.key)
            if not is_settled(connection, job.key):
                return
            if job.state is JobState.RUNNING:
                job = jobs.move_job(connection, job.key, JobState.FINALIZING)
        evaluation = evaluate(self._store, job)
        with self._store.write() as connection:
            evaluations.save_evaluation(connection, job.key, evaluation.as_dict())
            jobs.move_job(
                connection,
                job.key,
                JobState(evaluation.state),
                finished_at=now(),
                error=_error_of(job, evaluation),
                stalled_reason=None,
            )
        _log.info("job_ended", job=job.id, state=evaluation.state)


def evaluate(store: Store, job: Job) -> Evaluation:
    """Count a job's rows into its evaluation.

    The counters that the fold added up must equal the recount; if not, the job fails loudly.
    """
    with store.read() as connection:
        manifest = artifacts.find_manifest(connection, job.artifact_digest)
        counts = evaluations.recount(connection, job.key, total=job.total)
        evaluation = build_evaluation(
            confusion=evaluations.count_confusion(connection, job.key),
            class_names=manifest.classes,
            job_id=job.id,
            state=end_state(job, counts),
            source=redact_uri(job.source),
            artifact=EvaluatedArtifact(
                name=manifest.name,
                variant=manifest.variant,
                digest=manifest.digest,
                recipe_digest=manifest.recipe.digest,
                precision_used=manifest.precision_used,
            ),
            devices=evaluations.devices_of(connection, job.key),
            random_weights=manifest.has_random_weights,
            counts=counts,
            calibration=evaluations.count_calibration(connection, job.key),
            failures=evaluations.count_failures(connection, job.key),
            images_per_second=job.images_per_second,
            started_unix_seconds=job.first_claimed_at,
            finished_unix_seconds=job.last_done_at,
            stage_seconds={
                stage: StageSeconds(**seconds) for stage, seconds in job.stage_seconds.items()
            },
        )
    if not counters_agree(job, counts):
        _log.error("counters_disagree", job=job.id, folded=str(job.counts), recounted=str(counts))
    return evaluation


def end_state(job: Job, counts: Counts) -> str:
    """Return the state that a job whose chunks are all settled ends in."""
    if not counters_agree(job, counts):
        return JobState.FAILED
    if job.ending is not None:
        return job.ending
    if counts.predicted == 0 or counts.failed > job.max_failure_rate * counts.processed:
        return JobState.FAILED
    return JobState.COMPLETED_WITH_ERRORS if counts.failed else JobState.COMPLETED


def counters_agree(job: Job, counts: Counts) -> bool:
    """Say whether the fold's counters equal the recount."""
    return job.counts == counts


def _error_of(job: Job, evaluation: Evaluation) -> str | None:
    if job.error is not None or evaluation.state != JobState.FAILED:
        return job.error
    if not counters_agree(job, evaluation.counts):
        return "the counters do not equal a recount of the rows: keep the store and report this"
    if evaluation.counts.predicted == 0:
        return "no image could be predicted: see the failures by reason"
    return f"more than {job.max_failure_rate:.0%} of the images failed (--max-failure-rate)"


if __name__ == "__main__":
    main()
