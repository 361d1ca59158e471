"""What travels through Redis: versioned JSON, references only, never pixels.

A URI in a message may hold a secret: messages are never logged.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from shared.image_reference import ImageReference, reference_from_row

MESSAGE_VERSION: Final = 1


class ClassifyChunk(BaseModel):
    """Ask a worker that serves `artifact_digest` to claim and classify a chunk.

    `rows` are references as `shared.image_reference` writes them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = MESSAGE_VERSION
    job_key: int
    chunk_id: int
    artifact_digest: str
    topk: int
    rows: list[list[Any]]

    def references(self) -> list[ImageReference]:
        """Return the references, in order."""
        return [reference_from_row(row) for row in self.rows]
