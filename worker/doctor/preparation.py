"""Imports plugins before the checks, so that no check spends its timeout on an import."""

from __future__ import annotations

import contextlib

from worker.config.settings import Settings
from worker.resources.chains import import_plugins
from worker.speech.vad.silero import import_silero


def prepare(settings: Settings) -> None:
    """Import the plugins of the fallback chains. Call this in the main thread.

    Plugins can register only in the main thread. An import error is ignored here, because the check
    of the plugin reports it.
    """
    with contextlib.suppress(Exception):
        import_plugins(settings)
    with contextlib.suppress(Exception):
        import_silero()
