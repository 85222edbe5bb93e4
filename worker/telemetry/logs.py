"""Log output: JSON in production, plain text on a terminal. Neither contains candidates' words.

A job process sends its log records unformatted to the main process. The main process formats all
log records here. The module `redaction` decides which content must be removed.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from worker.config.settings import Settings
from worker.telemetry.redaction import QuotingDebug, Redaction, exception_text

if TYPE_CHECKING:
    from structlog.typing import ExcInfo

#: Loggers that are too verbose below WARNING. Their level is WARNING whatever level is configured.
_CHATTY = ("asyncio", "filelock", "livekit", "transitions")


def redact_job_logs() -> None:
    """Redact all log records of a job process before it sends them.

    Call this function before the first job.
    """
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
    """Return the processors for every log record, whether it comes from structlog or `logging`."""
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _without_repeats,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _without_repeats(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Drop the field `message`, which repeats the text in a log record from a job process."""
    event.pop("message", None)
    return event


def _renderer(settings: Settings, *, on_terminal: bool) -> Any:
    """Return the JSON renderer, or the console renderer for people."""
    if settings.log_format == "json" or (settings.log_format == "auto" and not on_terminal):
        return structlog.processors.JSONRenderer()
    # The default exception formatter would print the local variables of every frame.
    return structlog.dev.ConsoleRenderer(
        colors=on_terminal, exception_formatter=structlog.dev.plain_traceback
    )


def _exception_text(exc_info: ExcInfo) -> str:
    """Format an exception from a structlog logger. Only the worker's own code uses such loggers."""
    return exception_text(exc_info[1], logger="worker")
