"""Imports that happen before the checks, so that they count against no check's timeout."""

from __future__ import annotations

import contextlib

from worker.config.settings import Settings
from worker.providers.factories import import_plugins
from worker.speech.vad.silero import import_silero


def prepare(settings: Settings) -> None:
    """Import the plugins of the chains; main thread only, where they must register.

    A plugin that cannot be imported is reported by its own check.
    """
    with contextlib.suppress(Exception):
        import_plugins(settings)
    with contextlib.suppress(Exception):
        import_silero()
