"""The Celery task: parse, run, and acknowledge by returning (late acknowledgement)."""

from typing import Any

from celery import Celery
from pydantic import ValidationError

from shared.logs import get_log
from shared.messages import ClassifyChunk
from shared.queues import CLASSIFY_CHUNK_TASK, DEAD_LETTER_QUEUE
from worker.chunk_runner import ChunkRunner

_log = get_log(__name__)


def register_tasks(app: Celery, runner: ChunkRunner) -> None:
    """Make `runner` the one that answers chunk messages."""

    @app.task(name=CLASSIFY_CHUNK_TASK, shared=False)
    def classify_chunk(message: dict[str, Any]) -> None:
        try:
            parsed = ClassifyChunk.model_validate(message)
        except ValidationError:
            # Another version wrote it. The ledger still has the chunk; this message is put aside.
            _log.error("message_not_understood", version=message.get("version"))
            app.send_task(
                CLASSIFY_CHUNK_TASK,
                kwargs={"message": message},
                queue=DEAD_LETTER_QUEUE,
                argsrepr="",
                kwargsrepr="",
            )
            return
        runner.run(parsed)
