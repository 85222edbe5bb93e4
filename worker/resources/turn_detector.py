"""The resource `turn_detector`: livekit's local end-of-turn model, where a setting names it.

It listens to the last 1.2 s of an answer and says whether it sounds finished. The model comes
with the livekit-local-inference wheel and runs in this process; its cloud sibling is never asked.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

from livekit.agents import inference

from worker.in_thread import in_thread
from worker.resources.base import LoadFailed, Resource
from worker.resources.losses import LOSSES
from worker.speech.watched_turn_detector import SILENCE, WatchedTurnDetector

if TYPE_CHECKING:
    from worker.resources.bootstrap import AgentResources
    from worker.speech.audio import Pcm
    from worker.speech.watched_turn_detector import Predict


def preload_turn_detector() -> None:
    """Load the model into this process before it forks: 244 MB, which its children share.

    Raises ImportError and what the model's runtime raises.
    """
    _runtime().init_eot()


async def load_model() -> Predict:
    """The model, at once where it was preloaded; in a thread, within a second, otherwise.

    Raises ImportError and what the model's runtime raises.
    """
    model = await in_thread("turn-detector-load", lambda: _runtime().EOT())

    async def predict(sound: Pcm) -> float:
        probability: float = await in_thread("turn-detector", partial(model.predict, sound))
        return probability

    return predict


def _runtime() -> Any:
    return importlib.import_module("livekit.local_inference")


def turn_detector_resource() -> Resource:
    """The end-of-turn model. The VAD asks it; without one turns end by themselves."""

    async def load(_: AgentResources) -> WatchedTurnDetector:
        try:
            predict = await load_model()
            await predict(SILENCE)  # the first one is the slowest
        except Exception as error:
            kind = type(error).__name__
            message = f"the end-of-turn model did not load: {kind}"
            raise LoadFailed("TurnDetectorFailed", message) from error
        # The pinned version is the local one, whatever keys the environment holds.
        return WatchedTurnDetector(predict, inference.TurnDetector(version="v1-mini"))

    return Resource(
        name="turn_detector",
        loss=LOSSES["turn_detector"].means,
        load=load,
        close=lambda detector: detector.aclose(),
        budget_s=2.0,
    )
