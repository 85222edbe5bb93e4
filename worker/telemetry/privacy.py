"""What a log line may not hold: a word that was said, or a person's name.

The framework and the providers' clients quote what they were given: in extra fields, in their
errors' messages, and in lines that end with such a message. What is kept of theirs is what a line
is about, an error's type, and where it was raised.
"""

from __future__ import annotations

import logging
import textwrap
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

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

#: Extra fields of the framework's lines that hold errors, answers or whole jobs. Ours may be
#: called the same and hold an error's type.
_FRAMEWORKS_FIELDS = frozenset({"error", "errors", "failure", "job", "resp"})

#: Packages that quote what they were given, in errors and below INFO: the framework with its
#: plugins, the providers' clients, and what checks or stores data.
_QUOTING = frozenset(
    {
        "aiohttp",
        "asyncpg",
        "httpcore",
        "httpx",
        "livekit",
        "openai",
        "pydantic",
        "pydantic_core",
        "websockets",
    }
)

#: Whose lines may end with an error's message, and what that stands behind.
_MESSAGE_FOLLOWS = {"livekit": ": ", "asyncio": "exception="}

_REDACTED = "(redacted)"
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_WHILE_HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"


def _package(name: str) -> str:
    return name.partition(".")[0]


class Redaction(logging.Filter):
    """Takes what is personal off every record, ours or the framework's.

    An exception becomes the field `exception`, redacted text: left to a formatter it would be
    written out whole, in a job's process before the main one sees it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record through."""
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
    """Below INFO they quote what was said in the message itself: none of that passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is of INFO and above, or of somebody who does not quote."""
        return record.levelno >= logging.INFO or _package(record.name) not in _QUOTING


def _redact_line(record: logging.LogRecord) -> None:
    """Leave out an error's message, at the end of a line or in a field of its own."""
    package = _package(record.name)
    if package not in _MESSAGE_FOLLOWS:
        return
    # Formatted here: only the whole line shows what it ends with.
    about, mark, _ = record.getMessage().partition(_MESSAGE_FOLLOWS[package])
    record.msg, record.args = f"{about}{mark}{_REDACTED}" if mark else about, None
    if package == "livekit":
        for name in _FRAMEWORKS_FIELDS & vars(record).keys():
            value = vars(record).pop(name)
            if isinstance(value, BaseException):
                setattr(record, name, type(value).__name__)


def exception_text(error: BaseException, *, logger: str) -> str:
    """The traceback of an error and its causes, without the messages that may quote somebody.

    `logger` is the name of the one that logs it: what the framework logs may have come from
    anywhere, and keeps no message at all.
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
    """The error and what led to it, the first first, each with the words that link it."""
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
    """The package whose code raised it; "" for an error that was never raised."""
    last: Any = error.__traceback__
    if last is None:
        return ""
    while last.tb_next is not None:
        last = last.tb_next
    return _package(str(last.tb_frame.f_globals.get("__name__", "")))
