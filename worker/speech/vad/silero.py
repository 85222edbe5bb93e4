"""Silero, the voice activity detector of this process, loaded once and shared.

If the process that forks the jobs has called `preload_vad`, every job has the VAD immediately.
Without `preload_vad` the first caller starts to load the VAD in a thread, and all other callers
wait for the same thread.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from worker import faults
from worker.aio.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from livekit.agents import vad

# onnxruntime 1.29 or later looks up the name of a telemetry host when onnxruntime is first
# imported. The variable ORT_DISABLE_TELEMETRY prevents the lookup.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

logger = logging.getLogger(__name__)


class VADLoadFailed(Exception):
    """Raised when Silero cannot be loaded; `cause` is the class name of the error `__cause__`."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the VAD did not load: {cause}")
        self.cause = cause


def import_runtime() -> None:
    """Import onnxruntime, the slow part of importing Silero. May be called in any thread."""
    importlib.import_module("onnxruntime")


def import_silero() -> Any:
    """Import the Silero plugin.

    Call it only in the main thread, because LiveKit plugins must register there.
    """
    return importlib.import_module("livekit.plugins.silero")


def load_silero() -> vad.VAD:
    """Load Silero and run one inference, so that the first inference does not delay a speaker.

    Any thread may call this function after `import_silero` was called in the main thread.
    """
    faults.here("silero")
    model = import_silero().VAD.load()
    onnx = importlib.import_module("livekit.plugins.silero.onnx_model")
    # Use private names, because there is no public way to run the model without an event loop.
    session = onnx.OnnxModel(onnx_session=model._onnx_session, sample_rate=16_000)
    session(np.zeros(session.window_size_samples, np.float32))
    loaded: vad.VAD = model
    return loaded


class VADCache:
    """Loads a VAD once for all callers. After a failure, the next call tries again.

    The steps of loading are parameters, so that tests can replace them.
    """

    def __init__(
        self,
        *,
        prepare: Callable[[], object] = import_runtime,
        register: Callable[[], object] = import_silero,
        load: Callable[[], vad.VAD] = load_silero,
    ) -> None:
        self._prepare = prepare
        self._register = register
        self._load_model = load
        self._vad: vad.VAD | None = None
        self._loading: asyncio.Task[vad.VAD] | None = None

    def preload(self) -> bool:
        """Load the VAD synchronously, and return whether it is available. Failures are logged.

        Call this in the main thread of a process without an event loop, before that process forks.
        """
        if self._vad is not None:
            return True
        began = time.perf_counter()
        try:
            self._prepare()
            self._register()
            self._vad = self._load_model()
        except Exception as error:
            _log_failure(error, began)
            return False
        _log_success(began)
        return True

    async def load(self) -> vad.VAD:
        """Return the VAD, at once if it is loaded. Cancelling a caller does not stop the loading.

        Raises:
            VADLoadFailed: Silero, its runtime or its model is broken.
        """
        if self._vad is not None:
            return self._vad
        loop = asyncio.get_running_loop()
        # Replace the task of an event loop that has ended, because such a task never completes.
        if self._loading is None or self._loading.done() or self._loading.get_loop() is not loop:
            self._loading = loop.create_task(self._load(), name="vad-load")
            self._loading.add_done_callback(_retrieve)
        return await asyncio.shield(self._loading)

    async def get(self) -> vad.VAD | None:
        """Return the VAD, or None if loading fails.

        No error is raised, because turns can also end without a VAD.
        """
        try:
            return await self.load()
        except VADLoadFailed:
            return None

    async def _load(self) -> vad.VAD:
        began = time.perf_counter()
        try:
            await in_thread("vad-load", self._prepare)
            self._register()
            self._vad = await in_thread("vad-load", self._load_model)
        except Exception as error:
            _log_failure(error, began)
            raise VADLoadFailed(type(error).__name__) from error
        _log_success(began)
        return self._vad


def _retrieve(task: asyncio.Task[vad.VAD]) -> None:
    """Retrieve the task's error, which is already logged, so that asyncio does not log it again."""
    if not task.cancelled():
        task.exception()


def _log_success(began: float) -> None:
    logger.info("the VAD is loaded", extra={"event": "vad_loaded", "elapsed_s": _elapsed_s(began)})


def _log_failure(error: Exception, began: float) -> None:
    logger.warning(
        "the VAD did not load, turns will end less exactly",
        extra={
            "event": "vad_load_failed",
            "error": type(error).__name__,
            "elapsed_s": _elapsed_s(began),
        },
        exc_info=error,
    )


def _elapsed_s(began: float) -> float:
    return round(time.perf_counter() - began, 3)


_cache = VADCache()


def preload_vad() -> bool:
    """Load this process's VAD synchronously, before the fork; return whether it is available.

    A failure is logged and not raised, because a worker without a VAD can still hold interviews.
    """
    return _cache.preload()


async def load_vad() -> vad.VAD:
    """Return this process's VAD. If necessary, load it in a thread, once for all callers.

    Raises:
        VADLoadFailed: Silero, its runtime or its model is broken. The next call tries again.
    """
    return await _cache.load()


async def get_vad() -> vad.VAD | None:
    """Return this process's VAD as `load_vad` does, or None if it fails to load."""
    return await _cache.get()
