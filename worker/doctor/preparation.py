"""What is imported before the checks begin, so that no check pays for it, nor the others wait."""

from __future__ import annotations

import contextlib

from worker.resources.providers import import_plugins
from worker.resources.vad import import_silero
from worker.settings import Settings


def prepare(settings: Settings) -> None:
    """Import the plugins of the chains, in the main thread, where they have to register.

    One that cannot be imported is found out by its own check.
    """
    with contextlib.suppress(Exception):
        import_plugins(settings)
    with contextlib.suppress(Exception):
        import_silero()
