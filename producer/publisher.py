"""Sends chunk messages to their queues. Redis away is normal here: the next tick tries again."""

from collections.abc import Sequence

import redis.exceptions
from celery import Celery
from kombu.exceptions import OperationalError

from shared.image_reference import unpack_rows
from shared.logs import get_log
from shared.messages import ClassifyChunk
from shared.queues import CLASSIFY_CHUNK_TASK, classify_queue
from shared.store.chunks import PendingChunk

_log = get_log(__name__)


class Publisher:
    """Publishes chunks over one reused connection; for one thread."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def publish(self, chunks: Sequence[PendingChunk]) -> list[int]:
        """Send a message for each chunk; return the ids that were sent before Redis failed."""
        sent: list[int] = []
        try:
            with self._app.producer_or_acquire() as producer:
                for chunk in chunks:
                    self._send(chunk, producer)
                    sent.append(chunk.id)
        except (OperationalError, redis.exceptions.RedisError, OSError) as error:
            _log.warning("publish_failed", sent=len(sent), of=len(chunks), error=str(error))
        return sent

    def _send(self, chunk: PendingChunk, producer: object) -> None:
        message = ClassifyChunk(
            job_key=chunk.job_key,
            chunk_id=chunk.id,
            artifact_digest=chunk.artifact_digest,
            topk=chunk.topk,
            rows=unpack_rows(chunk.image_references),
        )
        self._app.send_task(
            CLASSIFY_CHUNK_TASK,
            kwargs={"message": message.model_dump(mode="json")},
            queue=classify_queue(chunk.artifact_digest),
            priority=chunk.priority - chunk.is_retry,
            producer=producer,
            retry=False,
            # Celery would put the URIs, which may hold secrets, into headers that it also logs.
            argsrepr="",
            kwargsrepr="",
        )
