"""The Celery application: one function makes it, with the settings that were measured to hold.

Results live in SQL, so there is no result back-end. The ledger recovers lost work, so the
visibility time-out is longer than any chunk: a short one would run long chunks twice.
"""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection

from shared.queues import DEAD_LETTER_QUEUE, PRIORITY_STEPS
from shared.transport import Transport


class QuickConnection(Connection):
    """A connection that looks for a lost server every 0.2 to 2 s; kombu waits 2, 4, 6 .. 30 s.

    It uses the mended transport whatever the URL's scheme says: kombu lets the scheme override
    the `broker_transport` setting.
    """

    def get_transport_cls(self) -> type[Transport]:
        """Return the mended transport."""
        return Transport

    def ensure_connection(
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: float = 0.2,
        interval_step: float = 0.3,
        interval_max: float = 2.0,
        **options: Any,
    ) -> Connection:
        """Connect, trying again with short pauses."""
        connection: Connection = super().ensure_connection(  # type: ignore[no-untyped-call]
            errback, max_retries, interval_start, interval_step, interval_max, **options
        )
        return connection


class QuickAMQP(AMQP):  # type: ignore[misc]  # celery has no types
    """Celery's AMQP glue on top of `QuickConnection`."""

    Connection = QuickConnection


def make_celery_app(redis_url: str) -> Celery:
    """Make the application for a Redis or Valkey at `redis_url`.

    `redis://`, `rediss://` and `redis+socket:///path` are understood.
    """
    app = Celery("nestor", broker=redis_url, amqp=QuickAMQP, set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 3600,
            "connect_retries_timeout": 1,  # a publisher gives up soon: the next tick tries again
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "health_check_interval": 5,
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "queue_order_strategy": "shared.transport:ShuffledCycle",
            "priority_steps": list(PRIORITY_STEPS),
        },
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_ignore_result=True,
        task_serializer="json",
        task_compression="zstd",
        task_create_missing_queues=True,
        task_default_queue=DEAD_LETTER_QUEUE,
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_log_color=False,
        worker_redirect_stdouts=False,
        enable_utc=True,
    )
    return app
