"""Environment of a worker process that a test starts, without the developer's own settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Prefixes of the worker's environment variables.
OURS: Final = ("LIVEKIT_", "INTERVIEW_", "DATABASE_", "DEEPGRAM_", "ELEVEN", "OPENAI_")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with its worker settings replaced by `settings`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**inherited, **settings}
