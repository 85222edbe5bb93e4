"""Redaction of log records, so that they contain no spoken words and no names of persons.

The framework and the providers' clients quote their input: in extra fields, in error messages, and
in log lines that end with an error message or with an object. The redaction keeps the text before
the error message or the object, the error's type, and the traceback. LiveKit's SDK and its native
library also quote what a participant chose, such as the topic or the id of a stream, at any place
of a line. Each log line of the SDK and of its native library is therefore replaced by the place in
the code that logged the line.
"""

from __future__ import annotations

import logging
import re
import textwrap
import traceback
from typing import TYPE_CHECKING, Any

from worker.providers.registry import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Prefix of the extra fields into which livekit-agents puts transcripts and names.
_PERSONAL_PREFIX = "lk.pii."

#: Extra fields whose names lack `_PERSONAL_PREFIX`, but that also hold transcripts, names, or other
#: texts that a participant chooses.
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
        "participant",
        "participant_identity",
        "caller_identity",
        "topic",
    }
)

#: Extra fields in log records of the framework that hold errors, responses or whole jobs. Log
#: records of the worker may have fields with the same names, which hold only the type of an error.
_FRAMEWORKS_FIELDS = frozenset({"error", "errors", "failure", "job", "resp"})

#: Packages that quote their input in error messages and in log records below INFO: the framework
#: with its plugins, the vendors' clients, and libraries that validate or store data. "root" stands
#: for code that logs with the root logger, as LiveKit's SDK does.
_QUOTING = frozenset(name for vendor in VENDORS.values() for name in vendor.quoting) | frozenset(
    {
        "aiohttp",
        "asyncpg",
        "httpcore",
        "httpx",
        "livekit",
        "pydantic",
        "pydantic_core",
        "root",
        "websockets",
    }
)

#: Loggers whose log lines are replaced by the place in the code that logged them: LiveKit's SDK
#: uses its own logger and the root logger. The worker itself uses neither of the two.
_REMOVED = frozenset({"livekit", "root"})
#: Format with which the SDK logs a line of its native library: target, line, module, message.
_NATIVE = "%s:%s:%s - %s"
#: Loggers whose log lines may end with an error message or an object, each with a pattern that
#: finds the beginning of the message or the object.
_QUOTED = {"livekit": re.compile(r": | '|<"), "asyncio": re.compile(r"exception=|[(<\n]")}

_REDACTED = "(redacted)"
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_WHILE_HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"


def _package(name: str) -> str:
    return name.partition(".")[0]


class Redaction(logging.Filter):
    """Removes personal data from every log record, of the worker or of the framework.

    An exception becomes the field `exception` with redacted text. The exception itself is removed
    from the record, because a formatter would write the exception's whole text (in a job process,
    even before the main process receives the record).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; always return True."""
        for name in [n for n in vars(record) if n.startswith(_PERSONAL_PREFIX)]:
            delattr(record, name)
        for name in _PERSONAL_FIELDS & vars(record).keys():
            delattr(record, name)
        _redact_line(record)
        if record.exc_info and record.exc_info[1] is not None:
            record.exception = exception_text(record.exc_info[1], logger=record.name)
        record.exc_info = record.exc_text = None
        return True


class QuotingDebug(logging.Filter):
    """Drops log records below INFO of packages that quote spoken words in the log message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a record if its level is INFO or above, or if its package quotes no input."""
        return record.levelno >= logging.INFO or _package(record.name) not in _QUOTING


def _redact_line(record: logging.LogRecord) -> None:
    """Remove quoted input from a log line, and errors from the record's extra fields."""
    if record.name in _REMOVED:
        _remove_line(record)
        return
    package = _package(record.name)
    if package not in _QUOTED:
        return
    # Format the record here, because only the full line shows where the quoted part begins.
    line = record.getMessage()
    if found := _QUOTED[package].search(line):
        colon = ":" if found[0] == ": " else ""
        line = f"{line[: found.start()].rstrip()}{colon} {_REDACTED}"
    record.msg, record.args = line, None
    if package == "livekit":
        for name in _FRAMEWORKS_FIELDS & vars(record).keys():
            value = vars(record).pop(name)
            if isinstance(value, BaseException):
                setattr(record, name, type(value).__name__)


def _remove_line(record: logging.LogRecord) -> None:
    """Replace a log line by the place in the code that logged it.

    The result does not change if a second process redacts the record again.
    """
    if getattr(record, "redacted", False):
        return
    place = f"{record.module}:{record.lineno}"
    if record.msg == _NATIVE and isinstance(record.args, tuple) and len(record.args) == 4:
        place = f"{record.args[0]}:{record.args[1]}"
    record.msg, record.args = f"{place} {_REDACTED}", None
    record.redacted = True


def exception_text(error: BaseException, *, logger: str) -> str:
    """Return the traceback of an error and its causes, without messages that may quote a person.

    `logger` is the name of the logger that logs the error. Errors that the framework logs may come
    from any code, so the messages of these errors are always removed.
    """
    parts = []
    for link, cause in _chain(error):
        stack = "".join(traceback.format_tb(cause.__traceback__))
        head = "Traceback (most recent call last):\n" if stack else ""
        parts.append(f"{link}{head}{stack}{_last_lines(cause, logger)}")
        if isinstance(cause, BaseExceptionGroup):
            nested = (exception_text(each, logger=logger) for each in cause.exceptions)
            parts += [textwrap.indent(text, "  | ") for text in nested]
    return "\n".join(parts)


def _chain(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Yield the error and its causes, root cause first, each with its traceback separator."""
    links: list[tuple[str, BaseException]] = []
    seen: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        if here.__cause__ is not None:
            links.append((_CAUSED, here))
            here = here.__cause__
        elif here.__context__ is not None and not here.__suppress_context__:
            links.append((_WHILE_HANDLING, here))
            here = here.__context__
        else:
            links.append(("", here))
            here = None
    yield from reversed(links)


def _last_lines(error: BaseException, logger: str) -> str:
    kind = type(error)
    if not _QUOTING & {_package(logger), _package(kind.__module__), _raised_in(error)}:
        return "".join(traceback.format_exception_only(error)).rstrip("\n")
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}: {_REDACTED}"


def _raised_in(error: BaseException) -> str:
    """Return the package whose code raised the error; "" if the error was never raised."""
    last: Any = error.__traceback__
    if last is None:
        return ""
    while last.tb_next is not None:
        last = last.tb_next
    return _package(str(last.tb_frame.f_globals.get("__name__", "")))
