"""Queue names and priorities. Each artifact digest has a queue of its own: two builds never mix."""

#: kombu's priority steps that are in use; a lower number is served first. A republished chunk
#: goes one step above its job's own (2 high, 5 normal, 8 low), so that it jumps its own queue only.
PRIORITY_STEPS = (1, 2, 4, 5, 7, 8)

CLASSIFY_CHUNK_TASK = "nestor.classify_chunk"
DEAD_LETTER_QUEUE = "nestor.dead_letters"


def classify_queue(artifact_digest: str) -> str:
    """Return the queue of an artifact."""
    return f"classify.{artifact_digest[:12]}"
