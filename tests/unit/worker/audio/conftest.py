"""Shared fixtures for the audio output."""

from tests.support.virtual.line_parts import held, held_line, line, sink

__all__ = ["held", "held_line", "line", "sink"]
