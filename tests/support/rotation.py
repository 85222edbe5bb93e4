"""Which of the tests that rotate run on a commit: a sixth of them, chosen by its hash.

A test that is marked `rotates` runs in every `make e2e`, and in CI on one commit of six. The marker
says why its fault needs no look on each commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

#: Shares into which the tests that rotate are divided.
SHARES: Final = 6


def share_of(revision: str) -> int:
    """Return the share, 0 to 5, that is run on a commit.

    Args:
        revision: Its hash in hexadecimal digits, whole or shortened.

    Raises:
        ValueError: It is none.
    """
    # The first digits, so that a shortened hash chooses as the whole one does.
    return int(revision[:7], 16) % SHARES


def others(rotating: Mapping[str, T], share: int) -> list[T]:
    """Return what does not run with this share, of what rotates by its name.

    Neighbours by name are in different shares, so that each share has some of every module.
    """
    return [
        rotating[name] for place, name in enumerate(sorted(rotating)) if place % SHARES != share
    ]
