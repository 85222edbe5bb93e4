"""The voice activity detector of this process: Silero, loaded once and shared.

If the process that jobs are forked from has called `preload_vad`, every job has the VAD
immediately. Otherwise the first caller starts the load in a thread, and all others join it.
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

# onnxruntime 1.29 and later resolve a telemetry host when first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

logger = logging.getLogger(__name__)


class VADLoadFailed(Exception):
    """Raised when Silero cannot be loaded; `cause` names the error, `__cause__` is the error."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the VAD did not load: {cause}")
        self.cause = cause


def import_runtime() -> None:
    """Import onnxruntime, the slow part of importing Silero. Safe in any thread."""
    importlib.import_module("onnxruntime")


def import_silero() -> Any:
    """Import the Silero plugin. Main thread only: LiveKit plugins must register there."""
    return importlib.import_module("livekit.plugins.silero")


def load_silero() -> vad.VAD:
    """Load Silero and run one inference, which would otherwise delay the first speaker.

    Safe in any thread, once `import_silero` was called in the main thread.
    """
    faults.here("silero")
    model = import_silero().VAD.load()
    onnx = importlib.import_module("livekit.plugins.silero.onnx_model")
    # There is no public way to run the model without an event loop.
    session = onnx.OnnxModel(onnx_session=model._onnx_session, sample_rate=16_000)
    session(np.zeros(session.window_size_samples, np.float32))
    loaded: vad.VAD = model
    return loaded


class VADCache:
    """Load a VAD at most once for all callers; after a failure the next call retries.

    The steps of loading are parameters for the tests.
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
        """Load the VAD synchronously and return whether it is available; failures are logged.

        For the main thread of a process without an event loop, before it forks.
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
        """Return the VAD, immediately if loaded. A cancelled caller does not cancel the load.

        Raises:
            VADLoadFailed: Silero, its runtime or its model is broken.
        """
        if self._vad is not None:
            return self._vad
        loop = asyncio.get_running_loop()
        # A load in an event loop that has ended would never complete.
        if self._loading is None or self._loading.done() or self._loading.get_loop() is not loop:
            self._loading = loop.create_task(self._load(), name="vad-load")
            self._loading.add_done_callback(_retrieve)
        return await asyncio.shield(self._loading)

    async def get(self) -> vad.VAD | None:
        """Return the VAD, or None if it fails to load: turns then end without it."""
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
    """Consume a failure whose callers were all cancelled; it is logged already."""
    if not task.cancelled():
        task.exception()


def _log_success(began: float) -> None:
    logger.info("vad loaded", extra={"elapsed_s": _elapsed_s(began)})


def _log_failure(error: Exception, began: float) -> None:
    logger.warning(
        "vad did not load, turns will be less exact",
        extra={"error": type(error).__name__, "elapsed_s": _elapsed_s(began)},
        exc_info=error,
    )


def _elapsed_s(began: float) -> float:
    return round(time.perf_counter() - began, 3)


_cache = VADCache()


def preload_vad() -> bool:
    """Load this process's VAD before it forks, synchronously; return whether it is available.

    A failure is logged and not raised, since a worker without a VAD still holds interviews.
    """
    return _cache.preload()


async def load_vad() -> vad.VAD:
    """Return this process's VAD, loaded in a thread if needed; all callers share one load.

    Raises:
        VADLoadFailed: Silero, its runtime or its model is broken. The next call tries again.
    """
    return await _cache.load()


async def get_vad() -> vad.VAD | None:
    """Return this process's VAD as `load_vad` does, or None if it fails to load."""
    return await _cache.get()
