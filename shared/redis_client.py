"""A plain Redis client for what is not a Celery message: generation key, queue lengths."""

import redis

from shared.settings import Settings


def open_redis(settings: Settings) -> redis.Redis:
    """Open a client for the same server that Celery uses; nothing is sent before its first use.

    Celery says `redis+socket:///path` for what redis-py calls `unix:///path`.
    """
    url = settings.require_redis_url()
    if url.startswith("redis+socket://"):
        url = "unix://" + url.removeprefix("redis+socket://")
    client: redis.Redis = redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=5, socket_connect_timeout=3
    )
    return client
