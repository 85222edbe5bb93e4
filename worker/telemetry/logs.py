"""Logs: JSON in production, readable on a terminal, and no word of a candidate in either.

A job's lines travel to the main process as they are and are written there, so that this is the
one place where a line's form is decided.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from worker.settings import Settings

#: livekit-agents puts transcripts and names into extra fields with this prefix.
_PERSONAL_PREFIX = "lk.pii."

#: Extra fields in which it does so without the prefix.
_PERSONAL_FIELDS = frozenset(
    {
        "transcript",
        "user_input",
        "user_transcript",
        "text",
        "content",
        "message_text",
        "instructions",
        "job_request",
        "generated_text",
        "spoken_text",
        "participant_name",
        "ws_data",
    }
)


class Redaction(logging.Filter):
    """Takes personal fields off every record, ours or the framework's."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record through."""
        for name in [n for n in vars(record) if n.startswith(_PERSONAL_PREFIX)]:
            delattr(record, name)
        for name in _PERSONAL_FIELDS & vars(record).keys():
            delattr(record, name)
        return True


class _PluginDebug(logging.Filter):
    """Below INFO the framework quotes what was said in the message itself: none of that passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.INFO or not record.name.startswith("livekit")


def redact_job_logs() -> None:
    """In a job's process: nothing personal leaves it. Call before the first job."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(Redaction())
        handler.addFilter(_PluginDebug())


def _without_repeats(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """A job's line arrives with its text twice: formatted as `message` on its way here."""
    event.pop("message", None)
    return event


def configure_logs(settings: Settings, *, stream: Any = None) -> None:
    """Set up the root logger of the main process."""
    stream = stream or sys.stderr
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not stream.isatty()
    )
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _without_repeats,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(Redaction())
    handler.addFilter(_PluginDebug())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ]
            if as_json
            else [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    logging.getLogger("transitions").setLevel(logging.WARNING)
    for library in ("asyncio", "filelock", "livekit"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("livekit.agents").setLevel(settings.log_level)
