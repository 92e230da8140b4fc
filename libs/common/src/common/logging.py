"""structlog: JSON lines in production, colours at a terminal; standard-library loggers go the same way."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from common.clock import SystemClock

_clock = SystemClock()

NOISY = {"aiokafka": 5.0}
"""Loggers that repeat themselves while the broker is away, with the seconds between repeats of one message."""


class _OncePer(logging.Filter):
    """Lets one message of a kind through per span (plumbing.md trap 7)."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = _clock.monotonic()
        kind = f"{record.name}:{record.levelno}:{record.msg}"
        if now - self._last.get(kind, float("-inf")) < self._seconds:
            return False
        self._last[kind] = now
        return True


def setup(service: str, *, level: str = "info", fmt: str = "json") -> None:
    """Configure structlog and the root logger of this process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _name_service(service),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.dev.ConsoleRenderer() if fmt == "console" else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stdout)
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
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, seconds in NOISY.items():
        noisy = _OncePer(seconds)
        for logger in [name, *[n for n in logging.root.manager.loggerDict if n.startswith(name + ".")]]:
            logging.getLogger(logger).addFilter(noisy)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel("WARNING")


def _name_service(service: str) -> Any:
    def add(_: Any, __: str, entry: dict[str, Any]) -> dict[str, Any]:
        entry["service"] = service
        return entry

    return add


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
