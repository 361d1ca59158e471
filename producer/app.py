"""The producer process: enumerator, filler and reconciler, each a loop under its own lease."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from producer.enumerator import Enumerator
from producer.filler import Filler
from producer.publisher import Publisher
from producer.reconciler import Reconciler, RedisGeneration
from shared.celery_app import make_celery_app
from shared.leader_loop import LeaderLoop
from shared.logs import get_log, set_up_logs
from shared.redis_client import open_redis
from shared.settings import Settings, read_settings
from shared.store.engine import Store

_log = get_log(__name__)


def main() -> None:
    """Run the producer until SIGTERM or SIGINT."""
    settings = read_settings()
    set_up_logs(process="producer")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with running_producer(settings):
        _log.info("producer_ready")
        stopping.wait()
    _log.info("producer_stopped")


@contextmanager
def running_producer(settings: Settings) -> Iterator[None]:
    """Run the loops in threads of this process for as long as the block lasts."""
    store = Store(settings.require_store_url())
    client = open_redis(settings)
    try:
        with _running(_loops(store, client, settings)):
            yield
    finally:
        client.close()
        store.close()


def _loops(store: Store, client: redis.Redis, settings: Settings) -> list[LeaderLoop]:
    app = make_celery_app(settings.require_redis_url())
    filler = Filler(store, Publisher(app), settings)
    reconciler = Reconciler(store, Publisher(app), RedisGeneration(client), settings)
    steps = {
        "enumerate": Enumerator(store, settings).step,
        "fill": filler.step,
        "reconcile": reconciler.step,
    }
    return [
        LeaderLoop(name, step, store=store, poll_seconds=settings.poll_seconds)
        for name, step in steps.items()
    ]


@contextmanager
def _running(loops: list[LeaderLoop]) -> Iterator[None]:
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()


if __name__ == "__main__":
    main()
