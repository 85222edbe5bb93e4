"""The resource `turn_detector`: LiveKit's local end-of-turn model, if a setting names it.

The model listens to the last 1.2 s of an answer and predicts whether the answer is finished. The
model comes with the livekit-local-inference wheel and runs in this process. LiveKit's cloud version
of the model is never used.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

from livekit.agents import inference

from worker.aio.threads import in_thread
from worker.resources.resource import Consequence, LoadFailed, Resource
from worker.speech.turn_detector import SILENCE, SupervisedTurnDetector

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm
    from worker.resources.bootstrap import AgentResources
    from worker.speech.turn_detector import Predict


def preload_turn_detector() -> None:
    """Load the model (244 MB) before this process forks, so that its children share the memory.

    Raises ImportError if the model's wheel is missing, and the errors of the model's runtime.
    """
    _runtime().init_eot()


async def load_model() -> Predict:
    """Return a function that runs the model. If needed, a thread loads the model in about a second.

    Raises ImportError if the model's wheel is missing, and the errors of the model's runtime.
    """
    model = await in_thread("turn-detector-load", lambda: _runtime().EOT())

    async def predict(sound: Pcm) -> float:
        probability: float = await in_thread("turn-detector", partial(model.predict, sound))
        return probability

    return predict


def _runtime() -> Any:
    return importlib.import_module("livekit.local_inference")


def turn_detector_resource() -> Resource:
    """Declare the end-of-turn model.

    The model needs the VAD, which detects the pauses in an answer. Without the model, the VAD ends
    turns.
    """

    async def load(_: AgentResources) -> SupervisedTurnDetector:
        try:
            predict = await load_model()
            await predict(SILENCE)  # predict once now, because the first prediction is the slowest
        except Exception as error:
            kind = type(error).__name__
            message = f"the end-of-turn model did not load: {kind}"
            raise LoadFailed("TurnDetectorFailed", message) from error
        # The pinned version selects the local model, whatever keys the environment holds.
        return SupervisedTurnDetector(predict, inference.TurnDetector(version="v1-mini"))

    return Resource(
        name="turn_detector",
        loss="Turns end after a silence that the VAD detects.",
        consequence=Consequence(
            noticed="Only that a thinking pause may count as the end of an answer.",
            turns_end_on=("vad", "turn_detector"),
        ),
        load=load,
        close=lambda detector: detector.aclose(),
        budget_s=2.0,
    )
