"""Log output, without candidates' words: JSON in production, plain text on a terminal.

Each log call of the packages `worker` and `states` has a message for people, and an event key that
names the kind of log line: `logger.info("the worker is draining", extra={"event":
"worker_draining"})`. A JSON log line has the event key as `event` and the message as `message`. The
code of an agent may use event keys in the same way. docs/reference/log-events.md lists all event
keys of the worker.

A job process sends its log records unformatted to the main process, which formats all log records
with this module. The module `redaction` decides which content must be removed, and `log_lines`
writes each line with one call.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from worker.config.settings import Settings
from worker.telemetry.log_lines import JsonLine, line_handler, longest_line
from worker.telemetry.redaction import QuotingDebug, Redaction, exception_text

if TYPE_CHECKING:
    from structlog.typing import ExcInfo

#: Loggers that are too verbose below WARNING. The level of these loggers is WARNING whatever level
#: is configured.
_CHATTY = ("asyncio", "filelock", "livekit", "transitions")

#: The attributes of a log record that are not extra fields. `message` is the text of a record that
#: a handler has already formatted, as in a record from a job process.
_NO_FIELDS = vars(logging.makeLogRecord({})).keys() | {"message"}


def redact_job_logs() -> None:
    """Redact all log records of a job process before the process sends them.

    Call this function before the first job.
    """
    for handler in logging.getLogger().handlers:
        _redact(handler)


def configure_logs(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Set up the root logger of the main process."""
    stream = stream or sys.stderr
    steps = _steps()
    structlog.configure(
        processors=[*steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = line_handler(stream)
    _redact(handler)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=steps,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_exception_text),
                *_renderer(settings, stream),
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
        _named,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _named(_: Any, __: str, line: dict[str, Any]) -> dict[str, Any]:
    """Return a log line with its event key as `event`, its text as `message`, and its extra fields.

    A line without an event key, such as a line of a library, has the name of its logger as `event`.
    """
    record = line.get("_record")  # None for a line of a structlog logger
    extra = {} if record is None else vars(record)
    extra = {name: value for name, value in extra.items() if name not in _NO_FIELDS}
    key, sentence = extra.pop("event", None), line.pop("event")
    return {
        "event": key if isinstance(key, str) else line["logger"],
        "message": sentence,
        **line,
        **extra,
    }


def _without_key(_: Any, __: str, line: dict[str, Any]) -> dict[str, Any]:
    """Remove the field `event` of a log line for the console, where people read `message`."""
    del line["event"]
    return line


def _renderer(settings: Settings, stream: TextIO) -> list[Any]:
    """Return the processors that write a line: as JSON, or for people on a console."""
    on_terminal = stream.isatty()
    if settings.log_format == "json" or (settings.log_format == "auto" and not on_terminal):
        return [JsonLine(longest_line(stream))]
    # The default exception formatter would print the local variables of every frame.
    console = structlog.dev.ConsoleRenderer(
        colors=on_terminal,
        event_key="message",
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_without_key, console]


def _exception_text(exc_info: ExcInfo) -> str:
    """Format an exception from a structlog logger.

    The logger is taken to be `worker`, because only the worker's own code uses structlog.
    """
    return exception_text(exc_info[1], logger="worker")
