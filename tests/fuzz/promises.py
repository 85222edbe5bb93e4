"""What every parser must keep to: bounded time and memory, and short errors of one line."""

from __future__ import annotations

import logging
import time
import tracemalloc
from typing import TYPE_CHECKING, Final, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Processor time that a parser may take for any document, in seconds, and for each byte of it. The
#: slowest parser is that of YAML, which is pure Python: it takes up to 0.65 s for 2 kB of brackets,
#: and 45 µs for each byte of a large file on a busy machine. If the time of a parser grows with the
#: square of the length, the parser exceeds these limits for the large documents.
_CPU_S: Final = 2.0
_CPU_BYTE_S: Final = 100e-6
#: Memory that a parser may take for any document, in bytes, and for each byte of it. The parser of
#: YAML takes up to 1 MB, and 180 bytes for each byte of a large file.
_MEMORY: Final = 8 << 20
_MEMORY_PER_BYTE: Final = 500

#: Maximum length of a line of an error, in characters, besides the name of a file.
LONGEST_LINE: Final = 1000


def within_time(parse: Callable[[], T], *, size: int) -> T:
    """Call a parser with a document of `size` bytes, and return what it returns.

    Raises AssertionError if the parser takes too much processor time, and the parser's own errors.
    """
    limit_s = _CPU_S + _CPU_BYTE_S * size
    began_s = time.process_time()
    try:
        return parse()
    finally:
        took_s = time.process_time() - began_s
        assert took_s <= limit_s, f"{took_s:.1f} s of processor time for {size} bytes"


def within_memory(parse: Callable[[], T], *, size: int) -> T:
    """Call a parser as `within_time` does, but with a limit of its memory.

    Measuring the memory makes a parser several times slower.
    """
    limit = _MEMORY + _MEMORY_PER_BYTE * size
    tracemalloc.start()
    try:
        return parse()
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most <= limit, f"{most >> 20} MiB of memory, which is more than {limit >> 20} MiB"


def assert_one_line(message: str, *, place: str = "", longest: int = LONGEST_LINE) -> None:
    """Assert that an error is one printable line, not too long, that begins with `place`."""
    assert message.startswith(place), f"{message[:200]!r} does not begin with {place!r}"
    rest = message.removeprefix(place)
    assert rest.isprintable(), f"not one printable line: {message[:200]!r}"
    assert len(rest) <= longest, f"{len(rest)} characters: {message[:200]!r}"


def assert_has_none_of(text: str, secrets: tuple[str, ...]) -> None:
    """Assert that a text for people contains none of the secrets."""
    found = [secret for secret in secrets if secret in text]
    assert found == [], f"{found} in {text[:200]!r}"


class Logged(logging.Handler):
    """Collects the lines of all loggers, of any level, while it is used as a context manager."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""
        self._level = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line with its extra fields."""
        self.text += f"{record.getMessage()} {vars(record)}\n"

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)
