"""The environment of a worker's process that a test starts: none of the developer's settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How the names of the worker's settings begin.
OURS: Final = ("LIVEKIT_", "INTERVIEW_", "DATABASE_", "DEEPGRAM_", "ELEVEN", "OPENAI_")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, but of the worker's settings only those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**inherited, **settings}
