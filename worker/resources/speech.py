"""The resources `vad`, `stt`, `tts` and `llm`."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from livekit.agents import AgentSession

from worker.aio.threads import in_thread
from worker.config.settings import Settings
from worker.fallback.chain import ProviderChain
from worker.fallback.llm import ChainLLM
from worker.resources.bootstrap import AgentResources
from worker.resources.chains import llm_chain, patience_with, stt_chain, tts_chain
from worker.resources.resource import Consequence, LoadFailed, Resource
from worker.speech import local_models
from worker.speech.stt.fallback import ChainSTT
from worker.speech.tts.cache import speech_cache
from worker.speech.tts.fallback import ChainTTS
from worker.speech.vad.silero import VADLoadFailed, load_vad
from worker.speech.vad.strict import StrictVAD
from worker.speech.vad.supervised import SupervisedVAD

T = TypeVar("T")


def vad_resource() -> Resource:
    """Declare the VAD Silero, which is usually loaded before the fork and inherited by the job."""

    async def load(_: AgentResources) -> SupervisedVAD:
        try:
            return SupervisedVAD(await load_vad())
        except VADLoadFailed as error:
            raise LoadFailed("VADLoadFailed", "Silero did not load", transient=True) from error

    async def attach(session: AgentSession[Any], detector: SupervisedVAD) -> None:
        detector.join_late()
        session.current_agent.update_options(vad=detector)
        await detector.delivers.wait()
        session.update_options(turn_detection="vad")
        detector.end_speech()  # turns that the STT has begun would otherwise never end

    return Resource(
        name="vad",
        loss="Speech-to-text detects the end of the candidate's turns instead.",
        consequence=Consequence(
            noticed="Only that turns end a little less exactly.",
            turns_end_on=("stt", "vad"),
        ),
        load=load,
        attach=attach,
        budget_s=2.0,
    )


def stt_resource(settings: Settings) -> Resource:
    """Declare speech to text: a chain whose first usable provider transcribes."""

    async def load(held: AgentResources) -> ChainSTT:
        watched = held.get("vad")
        # Use the inner VAD instead of the SupervisedVAD, because the STT chain handles errors of
        # its own VAD streams. Errors of the STT chain's streams must not be reported as a loss of
        # the session's VAD.
        detector = StrictVAD(watched.inner) if watched is not None else None
        engine = ChainSTT(
            stt_chain(settings, detector), detector=detector, patience_s=patience_with(settings)
        )
        return await _loaded(engine, engine.chain, stt=True)

    async def attach(session: AgentSession[Any], engine: ChainSTT) -> None:
        session.current_agent.update_options(stt=engine)

    return Resource(
        name="stt",
        loss="The next provider of the chain transcribes. If none is left, the candidate types.",
        consequence=Consequence(
            noticed="Nothing while a provider is left. Without one, a recorded voice and a text "
            "ask for typed answers.",
            told="trouble_hearing",
            deafens=True,
        ),
        load=load,
        close=lambda engine: engine.aclose(),
        attach=attach,
        needs=("vad",),
    )


def tts_resource(settings: Settings) -> Resource:
    """Declare text to speech: a chain whose first usable provider speaks."""

    async def load(_: AgentResources) -> ChainTTS:
        engine = ChainTTS(
            tts_chain(settings),
            prepared=speech_cache(settings),
            patience_s=settings.tts_patience_s,
        )
        return await _loaded(engine, engine.chain, tts=True)

    async def attach(session: AgentSession[Any], engine: ChainTTS) -> None:
        session.current_agent.update_options(tts=engine)

    return Resource(
        name="tts",
        loss="The next provider of the chain speaks. If none is left, questions are sent as text.",
        consequence=Consequence(
            noticed="Another voice. If none is left, a recorded voice announces text. Prepared "
            "sentences are still spoken, and the others come as text.",
        ),
        load=load,
        close=lambda engine: engine.aclose(),
        attach=attach,
    )


def llm_resource(settings: Settings) -> Resource:
    """Declare the language model of the interviewer, if the chain names one."""

    async def load(_: AgentResources) -> ChainLLM | None:
        chain = llm_chain(settings)
        if chain is None:
            return None
        engine = ChainLLM(chain, first_word_s=settings.llm_first_word_s)
        return await _loaded(engine, chain)

    return Resource(
        name="llm",
        loss="The plan's questions are asked word for word.",
        consequence=Consequence(noticed="Nothing."),
        load=load,
        close=lambda engine: engine.aclose(),
    )


async def _loaded(
    engine: T, chain: ProviderChain[Any], *, stt: bool = False, tts: bool = False
) -> T:
    """Return `engine` once its first provider is created and the chain's local models are loaded.

    Raises LoadFailed if no provider can be created. The engine is kept nevertheless, and tries to
    create a provider again at its next use.
    """
    if "local" in chain.names:
        try:
            # Loading takes no time if the job has inherited the models from the process that forked
            # it.
            await in_thread("load-local", partial(local_models.preload, stt=stt, tts=tts))
        except (local_models.LocalSpeechUnavailable, local_models.LocalSpeechFailed) as error:
            chain.failed("local", error)
    for name, _ in chain.candidates():
        if chain.is_fresh(name):
            return engine
    problem = chain.condition()
    raise LoadFailed(problem.reason, problem.message, transient=True, meanwhile=engine)
