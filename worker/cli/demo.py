"""`interview-worker demo`."""

from __future__ import annotations


def demo() -> None:
    """Hold a whole spoken interview on this machine."""
