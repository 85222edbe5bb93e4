"""The captured folders, and what a test says when the current code breaks one of them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE = Path(__file__).parent
#: What to do about a failure; tests/compat/README.md says more.
_ADVICE = (
    "Users and other versions read this. Keep it, or add the better one beside it. If breaking it "
    "is meant, say so in CHANGELOG.md under `Unreleased`, with what a user has to do, and change "
    "the fixture in the same commit (tests/compat/README.md)."
)


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What one version stored and printed."""

    folder: Path

    def __str__(self) -> str:
        return self.folder.name.removeprefix("v").replace("_", ".")

    def path(self, *parts: str) -> Path:
        """A file of the fixture."""
        return self.folder.joinpath(*parts)

    def data(self, *parts: str) -> Any:
        """The content of a JSON file of the fixture."""
        return json.loads(self.path(*parts).read_text(encoding="utf-8"))


#: Every version that was captured.
VERSIONS = tuple(Captured(folder=path) for path in sorted(_HERE.glob("v[0-9]*_*")))


def broken(problems: Sequence[str]) -> None:
    """Fail the test with these problems and what to do about them, where there are any."""
    if problems:
        pytest.fail("\n".join((*problems, "", _ADVICE)), pytrace=False)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Fail the test in plain words where the block raises."""
    try:
        yield
    except Exception as error:
        message = f"{what} cannot be read any more: {type(error).__name__}: {error}\n\n{_ADVICE}"
        raise AssertionError(message) from error
