"""Reads the lock files of requirements/, which are in the format of `pip install -r`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})(?=\s|$)")
_CONTINUED = re.compile(r"\\\n\s*")


class LockInvalid(Exception):
    """Raised when a line of a lock file does not pin one distribution to one version.

    `line` is the line, with its continuations.
    """

    def __init__(self, line: str) -> None:
        self.line = line
        super().__init__(f"not a pinned requirement: {line}")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One distribution at one version."""

    requirement: Requirement
    #: The SHA-256 of each file of this version that may be installed, in hexadecimal.
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name in its canonical form."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The pinned version."""
        (exactly,) = self.requirement.specifier
        return exactly.version


def read_lock(path: Path) -> list[Pin]:
    """Return the pins of a lock file, in the order of the file.

    Raises LockInvalid if a line is anything else than a pin with its hashes, for example an option.
    """
    text = _CONTINUED.sub(" ", path.read_text(encoding="utf-8"))
    lines = (line.strip() for line in text.splitlines())
    return [_pin(line) for line in lines if line and not line.startswith("#")]


def constraint_lines(pins: Iterable[Pin]) -> list[str]:
    """Return one line for each pin, without hashes, for pip's or uv's `--constraint`."""
    return [str(pin.requirement) for pin in pins]


def _pin(line: str) -> Pin:
    asked = _HASH.sub("", line).strip()
    if asked.startswith("-") or "--" in asked:
        raise LockInvalid(line)
    requirement = Requirement(asked)
    operators = [each.operator for each in requirement.specifier]
    if requirement.url is not None or operators != ["=="]:
        raise LockInvalid(line)
    return Pin(requirement=requirement, hashes=tuple(_HASH.findall(line)))
