"""The properties of a provider's voice that determine how given words sound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Voice:
    """The properties of a provider that determine how given words sound."""

    provider: str
    voice: str
    model: str
    settings: tuple[str, ...] = ()
