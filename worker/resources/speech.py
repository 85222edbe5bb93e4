"""The resources of speech: vad, stt, tts. STT and TTS are chains, first working member wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from livekit.agents import AgentSession, stt, tts, vad

from worker.resources.base import LoadFailed, Resource
from worker.resources.bootstrap import AgentResources
from worker.resources.vad import VADLoadFailed, load_vad
from worker.speech import local_models
from worker.speech.local_stt import LocalSTT
from worker.speech.local_tts import LocalTTS

T = TypeVar("T")

SttMaker = Callable[[vad.VAD | None], stt.STT[Any]]
TtsMaker = Callable[[], tts.TTS[Any]]

#: How each member of a chain is made. Adding a provider is one line here and one in settings.
STT_MAKERS: dict[str, SttMaker] = {"local": lambda detector: LocalSTT(vad=detector)}
TTS_MAKERS: dict[str, TtsMaker] = {"local": LocalTTS}


def vad_resource() -> Resource:
    """Silero, shared by the process: usually there before the job, carried by the fork."""

    async def load(_: AgentResources) -> vad.VAD:
        try:
            return await load_vad()
        except VADLoadFailed as error:
            raise LoadFailed("VADLoadFailed", "Silero did not load", transient=True) from error

    async def attach(session: AgentSession[Any], detector: vad.VAD) -> None:
        session.current_agent.update_options(vad=detector)
        session.update_options(turn_detection="vad")

    return Resource(
        name="vad",
        loss="Turns end on the speech-to-text engine's own end-pointing, a little less exactly.",
        load=load,
        attach=attach,
        budget_s=2.0,
    )


def stt_resource(chain: tuple[str, ...]) -> Resource:
    """Speech to text: the first member of the chain that can be made."""

    async def load(held: AgentResources) -> stt.STT[Any]:
        _check_local(chain)
        return _first_of(chain, lambda name: STT_MAKERS[name](held.get("vad")))

    async def attach(session: AgentSession[Any], engine: stt.STT[Any]) -> None:
        session.current_agent.update_options(stt=engine)

    return Resource(
        name="stt",
        loss="Nothing that is said is understood: the candidate is told so, and types.",
        load=load,
        close=lambda engine: engine.aclose(),
        attach=attach,
        needs=("vad",),
    )


def tts_resource(chain: tuple[str, ...]) -> Resource:
    """Text to speech: the first member of the chain that can be made."""

    async def load(_: AgentResources) -> tts.TTS[Any]:
        _check_local(chain)
        return _first_of(chain, lambda name: TTS_MAKERS[name]())

    async def attach(session: AgentSession[Any], engine: tts.TTS[Any]) -> None:
        session.current_agent.update_options(tts=engine)

    return Resource(
        name="tts",
        loss="Recorded clips say that the interviewer cannot speak; the questions come as text.",
        load=load,
        close=lambda engine: engine.aclose(),
        attach=attach,
    )


def _check_local(chain: tuple[str, ...]) -> None:
    if chain == ("local",) and (reason := local_models.available()) is not None:
        raise LoadFailed("LocalSpeechUnavailable", reason)


def _first_of(chain: tuple[str, ...], make: Callable[[str], T]) -> T:
    problems = []
    for name in chain:
        try:
            return make(name)
        except Exception as error:  # a provider's constructor raises what it likes
            problems.append(f"{name}: {type(error).__name__}")
    raise LoadFailed("NoProviderLeft", "; ".join(problems), transient=True)
