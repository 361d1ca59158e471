"""Opens the store that a command works on: the one of NESTOR_STORE_URL or of `nestor up`."""

from collections.abc import Iterator
from contextlib import contextmanager

from producer.local_stack.stack_file import connect_to_running_stack
from shared.settings import Settings, read_settings
from shared.store.engine import Store


def connected_settings() -> Settings:
    """Read the settings; without NESTOR_STORE_URL, take the addresses of a running `nestor up`.

    Commands read and write the store only; the producer alone publishes.
    """
    settings = read_settings()
    return settings if settings.store_url else connect_to_running_stack(settings)


@contextmanager
def open_store(settings: Settings | None = None) -> Iterator[Store]:
    """Open the store for the length of the block."""
    store = Store((settings or connected_settings()).require_store_url())
    try:
        yield store
    finally:
        store.close()
