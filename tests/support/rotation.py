"""Selects the rotating tests of a commit: one sixth of them, by the commit's hash.

A test with the marker `rotates` runs in every `make e2e`, and in CI on one commit of six. The
marker gives the reason why its fault need not be tested on every commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

#: Number of shares into which the rotating tests are divided.
SHARES: Final = 6


def share_of(revision: str) -> int:
    """Return the share, 0 to 5, that runs on a commit.

    Args:
        revision: The commit's hash in hexadecimal digits, complete or shortened.

    Raises:
        ValueError: `revision` is not a hash.
    """
    # Only the first digits, so that a shortened hash gives the same share as the complete one.
    return int(revision[:7], 16) % SHARES


def others(rotating: Mapping[str, T], share: int) -> list[T]:
    """Return the rotating tests, given by name, that are not in this share.

    Neighbours by name are in different shares, so that each share has tests of every module.
    """
    return [
        rotating[name] for place, name in enumerate(sorted(rotating)) if place % SHARES != share
    ]
