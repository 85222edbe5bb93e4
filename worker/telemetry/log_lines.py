"""Write each log line with one call, so that no other process can write into the line.

The main process, the forkserver and other programs may write to the same stream. A buffered stream
of Python writes a line of more than 8 KiB in parts. A line to a file stays whole if one call to the
operating system writes it, because the kernel locks a file for each call. In a pipe or a socket,
only a line of at most `ATOMIC` bytes is sure to stay whole. Therefore a JSON line to a pipe or a
socket is shortened to `ATOMIC` bytes, and the line's field `cut_fields` lists the shortened fields.
"""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

#: Number of bytes that Linux writes to a pipe without other bytes in between (PIPE_BUF, see
#: pipe(7)). A write of this size to a stream socket, such as that of systemd's journal, is one
#: buffer of the kernel.
ATOMIC: Final = 4096
#: Names of the fields that are shortened only if no other field is left.
_NAMES: Final = ("event", "level", "logger", "timestamp")
#: Names of the fields of which the end is kept when they are shortened, because a traceback ends
#: with the error.
_ENDS_COUNT: Final = ("exception", "stack")
#: Mark at the place where a field was cut.
_CUT: Final = "..."
#: Maximum number of fields that are shortened. If the line is still too long, only the fields
#: `_NAMES` are kept.
_MOST_CUT: Final = 10
#: Maximum length in characters of each field if only the fields `_NAMES` are kept.
_LAST_RESORT: Final = 200

_JSON: Final = structlog.processors.JSONRenderer()


def line_handler(stream: TextIO) -> logging.Handler:
    """Return a handler that writes each line with one call if the stream has a descriptor."""
    descriptor = _descriptor(stream)
    if descriptor is None:
        return logging.StreamHandler(stream)
    return LineHandler(descriptor, encoding=stream.encoding or "utf-8")


def longest_line(stream: TextIO) -> int | None:
    """Return the maximum bytes of a line to the stream, line break included; None if unlimited."""
    descriptor = _descriptor(stream)
    if descriptor is None:
        return None
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return None
    return ATOMIC if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):  # a stream in memory, or a closed stream
        return None


class LineHandler(logging.Handler):
    """Writes each log line to a descriptor with one call.

    Args:
        descriptor: File descriptor to which the lines are written. The handler does not close the
            descriptor.
        encoding: Encoding of the lines. A character that the encoding lacks is written as an escape
            sequence.
    """

    def __init__(self, descriptor: int, *, encoding: str = "utf-8") -> None:
        super().__init__()
        self._descriptor = descriptor
        self._encoding = encoding

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line.

        An error is passed to `logging`, which prints the error if `logging.raiseExceptions` is
        true.
        """
        try:
            line = f"{self.format(record)}\n".encode(self._encoding, "backslashreplace")
            rest = memoryview(line)
            while rest:  # a full disk takes a part of the line, and then raises the error
                rest = rest[os.write(self._descriptor, rest) :]
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)


class JsonLine:
    """Processor of structlog that renders a log line as JSON of limited length.

    Args:
        longest: Maximum length of the line in bytes, line break included; None for no maximum.
    """

    def __init__(self, longest: int | None) -> None:
        self._longest = longest

    def __call__(self, _: Any, __: str, line: MutableMapping[str, Any]) -> str:
        """Return the line as JSON, with its longest fields shortened if the JSON is too long."""
        text = _json(line)
        if self._longest is None or len(text) < self._longest:
            return text
        return _shortened(line, self._longest - 1)


def _json(line: Mapping[str, Any]) -> str:
    # The JSON is ASCII, so it has as many bytes as characters.
    return str(_JSON(None, "", dict(line)))


def _shortened(line: Mapping[str, Any], longest: int) -> str:
    """Return a line as JSON of at most `longest` characters, with its longest fields shortened."""
    short = {name: value for name, value in line.items() if name != "cut_fields"}
    cut: list[str] = []
    while len(text := _json({**short, "cut_fields": cut})) > longest:
        left = [name for name in short if name not in (*_NAMES, *cut)]
        if not left or len(cut) == _MOST_CUT:
            names: dict[str, Any] = {
                name: str(short[name])[:_LAST_RESORT] for name in _NAMES if name in short
            }
            return _json({**names, "cut_fields": ["all others"]})
        name = max(left, key=lambda each: len(_json({each: short[each]})))
        cut.append(name)
        without = _json({**short, name: "", "cut_fields": cut})
        short[name] = _part(str(short[name]), longest - len(without), end=name in _ENDS_COUNT)
    return text


def _part(text: str, most: int, *, end: bool) -> str:
    """Return the longest beginning, or end, of a text whose JSON has at most `most` characters.

    `most` does not count the quotation marks. The result is empty if there is no room for the mark
    `_CUT`.
    """

    def part(length: int) -> str:
        if end:
            return _CUT + text[len(text) - length :]
        return text[:length] + _CUT

    fits, too_long = -1, len(text) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if len(_json({"": part(middle)})) - len(_json({"": ""})) <= most:
            fits = middle
        else:
            too_long = middle
    return part(fits) if fits >= 0 else ""
