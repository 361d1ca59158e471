"""The SQL store: the truth about jobs, chunks and predictions. Redis only carries hints."""
