"""Imported once in the forkserver: loads what every job needs and no job modifies.

Job processes are forked from there and share all of it by copy on write. Nothing here may start a
thread or an event loop, and nothing may raise: if the forkserver dies at its imports, the worker
forks slow processes, and no log line says why.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from worker import faults
from worker.clips.recordings import preload_clips
from worker.config.settings import Settings, SettingsInvalid
from worker.job.application import ApplicationInvalid, load_application
from worker.job.entrypoint import ignore_signals
from worker.providers.factories import import_plugins
from worker.resources.turn_detector import preload_turn_detector
from worker.speech import local_models
from worker.speech.vad.silero import preload_vad
from worker.telemetry.logs import configure_logs

logger = logging.getLogger(__name__)


def preload() -> None:
    """Load what the settings name. A failure is logged: each job reports its own."""
    ignore_signals()
    try:
        settings = Settings.load()
    except SettingsInvalid:
        return  # the worker has reported this at its start
    faults.arm(settings.faults_to_set())
    with _logs(settings):
        _load(settings)


def _load(settings: Settings) -> None:
    try:
        load_application(settings.application)
    except ApplicationInvalid as error:
        logger.warning("%s", error)
    preload_vad()
    try:
        import_plugins(settings)
    except Exception as error:
        logger.warning("a provider's plugin was not imported: %s", type(error).__name__)
    try:
        local_models.preload(stt="local" in settings.stt, tts="local" in settings.tts)
    except Exception as error:
        logger.warning("local speech was not preloaded: %s", type(error).__name__)
    if settings.turn_detector == "local":
        try:
            preload_turn_detector()
        except Exception as error:
            logger.warning("the turn detector was not preloaded: %s", type(error).__name__)
    preload_clips()  # for every application: they include the worker's apology
    _first_uses()


@contextmanager
def _logs(settings: Settings) -> Iterator[None]:
    """Log as the worker does, while the block runs.

    The forkserver has no logging of its own, and prints warnings as plain text. Jobs are forked
    from it and log through their worker: an inherited handler would log every line twice.
    """
    root = logging.getLogger()
    before = list(root.handlers)
    configure_logs(settings)
    try:
        yield
    finally:
        root.handlers[:] = before


def _first_uses() -> None:
    # The transcript synchronizer's first FFT blocked the loop for 285 ms at the greeting.
    import numpy as np

    np.fft.rfft(np.zeros(512, dtype=np.float32))


preload()
