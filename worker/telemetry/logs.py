"""Logs: JSON in production, readable on a terminal, and no word of a candidate in either.

A job's lines travel to the main process as they are and are written there, so that this is the
one place where a line's form is decided. What may not be in them is decided by `privacy`.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from worker.settings import Settings
from worker.telemetry.privacy import QuotingDebug, Redaction, exception_text

if TYPE_CHECKING:
    from structlog.typing import ExcInfo

#: What says too much below WARNING, whatever level is set.
_CHATTY = ("asyncio", "filelock", "livekit", "transitions")


def redact_job_logs() -> None:
    """In a job's process: nothing personal leaves it. Call before the first job."""
    for handler in logging.getLogger().handlers:
        _redact(handler)


def configure_logs(settings: Settings, *, stream: Any = None) -> None:
    """Set up the root logger of the main process."""
    stream = stream or sys.stderr
    steps = _steps()
    structlog.configure(
        processors=[*steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(stream)
    _redact(handler)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=steps,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_exception_text),
                _renderer(settings, on_terminal=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for library in _CHATTY:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("livekit.agents").setLevel(settings.log_level)


def _redact(handler: logging.Handler) -> None:
    handler.addFilter(Redaction())
    handler.addFilter(QuotingDebug())


def _steps() -> list[Any]:
    """What every line gets, ours by structlog and everybody's by `logging` alike."""
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _without_repeats,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _without_repeats(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """A job's line arrives with its text twice: formatted as `message` on its way here."""
    event.pop("message", None)
    return event


def _renderer(settings: Settings, *, on_terminal: bool) -> Any:
    """JSON, or lines for people."""
    if settings.log_format == "json" or (settings.log_format == "auto" and not on_terminal):
        return structlog.processors.JSONRenderer()
    # The default formatter would print the local variables of every frame.
    return structlog.dev.ConsoleRenderer(
        colors=on_terminal, exception_formatter=structlog.dev.plain_traceback
    )


def _exception_text(exc_info: ExcInfo) -> str:
    """For structlog's own loggers, which are ours alone."""
    return exception_text(exc_info[1], logger="worker")
