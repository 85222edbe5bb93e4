"""A provider's voice, as far as it determines the sound of given words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Voice:
    """The properties of a provider that determine how given words sound."""

    provider: str
    voice: str
    model: str
    settings: tuple[str, ...] = ()
