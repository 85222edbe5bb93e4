"""Preloading in the forkserver of the models and modules that every job needs and none modifies.

The forkserver imports this module once. Job processes are forked from the forkserver, and share the
loaded data by copy on write. This module must not start a thread or an event loop, and must not
raise an error. If the forkserver dies at its imports, every job process starts slowly, and no log
line gives the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from worker import faults
from worker.audio.clip import ClipMissing
from worker.config.settings import Settings
from worker.env.group import SettingsInvalid
from worker.env.secret_files import forget_values_beside_files
from worker.job.apology import load_apology
from worker.job.application import ApplicationInvalid, declared_in
from worker.job.entrypoint import ignore_signals
from worker.resources.chains import import_plugins
from worker.resources.turn_detector import preload_turn_detector
from worker.speech import local_models
from worker.speech.vad.silero import preload_vad
from worker.telemetry.logs import configure_logs

logger = logging.getLogger(__name__)


def preload() -> None:
    """Load the application, plugins and models that the settings name.

    A failure is only logged, because each job reports its own failure to load.
    """
    ignore_signals()
    forget_values_beside_files(Settings)
    try:
        settings = Settings.load()
    except SettingsInvalid:
        return  # the worker has already reported the invalid settings at its start
    faults.arm(settings.faults_to_set())
    with _logs(settings):
        _load(settings)


def _load(settings: Settings) -> None:
    try:
        declared_in(settings).preload(settings)
    except ApplicationInvalid as error:
        logger.warning(
            "the application was not preloaded: %s",
            error,
            extra={"event": "application_not_preloaded"},
        )
    _load_speech(settings)
    try:
        load_apology()
    except ClipMissing as error:
        logger.error(
            "the built-in apology could not be loaded: %s",
            error,
            extra={"event": "apology_missing"},
        )
    _first_uses()


def _load_speech(settings: Settings) -> None:
    preload_vad()
    try:
        import_plugins(settings)
    except Exception as error:
        logger.warning(
            "a provider's plugin was not imported: %s",
            type(error).__name__,
            extra={"event": "provider_plugin_not_imported"},
        )
    try:
        local_models.preload(stt="local" in settings.stt, tts="local" in settings.tts)
    except Exception as error:
        logger.warning(
            "the local speech models were not preloaded: %s",
            type(error).__name__,
            extra={"event": "speech_models_not_preloaded"},
        )
    if settings.turn_detector == "local":
        try:
            preload_turn_detector()
        except Exception as error:
            logger.warning(
                "the turn detector was not preloaded: %s",
                type(error).__name__,
                extra={"event": "turn_detector_not_preloaded"},
            )


@contextmanager
def _logs(settings: Settings) -> Iterator[None]:
    """Format log lines as the worker does, while the block runs.

    Otherwise the forkserver would print warnings as plain text. The handlers are removed after the
    block. Jobs are forked from the forkserver and log through their worker, so an inherited handler
    would log every line twice.
    """
    root = logging.getLogger()
    before = list(root.handlers)
    configure_logs(settings)
    try:
        yield
    finally:
        root.handlers[:] = before


def _first_uses() -> None:
    # Without this call, the transcript synchronizer's first FFT blocked the loop for 285 ms at the
    # greeting.
    import numpy as np

    np.fft.rfft(np.zeros(512, dtype=np.float32))


preload()
