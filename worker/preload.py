"""Imported once in the forkserver: what every job needs and nobody writes to.

Job processes are forked from there and share all of it by copy on write. Nothing here may
start a thread or an event loop, and nothing may raise: a forkserver that dies at its imports
leaves the worker forking slow processes with no word about why.
"""

from __future__ import annotations

import logging

from worker.interview import application as application
from worker.interview.clips import ClipMissing, preload_clips
from worker.resources.vad import preload_vad
from worker.settings import Settings, SettingsInvalid
from worker.speech import local_models

logger = logging.getLogger(__name__)


def preload() -> None:
    """Load what the settings' chains name. A failure is logged: each job reports its own."""
    try:
        settings = Settings.load()
    except SettingsInvalid:
        return  # the worker has said so before it began
    preload_vad()
    try:
        local_models.preload(stt="local" in settings.stt, tts="local" in settings.tts)
    except Exception as error:
        logger.warning("local speech was not preloaded: %s", type(error).__name__)
    try:
        preload_clips()
    except ClipMissing as error:
        logger.warning("%s", error)
    _first_uses()


def _first_uses() -> None:
    # The transcript synchronizer's first FFT blocked the loop for 285 ms at the greeting.
    import numpy as np

    np.fft.rfft(np.zeros(512, dtype=np.float32))


preload()
