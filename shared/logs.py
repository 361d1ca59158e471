"""Logs are events: a fixed name and fields, as one JSON or key=value line on standard error."""

import logging
import sys

import structlog


def set_up_logs(*, process: str, as_json: bool | None = None, level: int = logging.INFO) -> None:
    """Set logging up for this process, once, in the entry point.

    Lines are JSON where standard error is no terminal. Ours are shown from `level` on, those of
    libraries from WARNING on: at DEBUG some print whole URLs, which may hold secrets.
    """
    if as_json is None:
        as_json = not sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def get_log(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the log of a module: `log.info("chunk_finished", chunk=7)`."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return log
