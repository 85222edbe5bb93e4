"""The real plugins ask their providers to keep no data, and work if an account refuses this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from livekit.agents import llm
from livekit.agents.utils import http_context

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.openai import OpenAIStandIn
from tests.support.database.provider_clients import PHRASE, a_second_of_sound, hears, push
from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.providers import provider_check
from worker.fallback.llm import ChainLLM
from worker.resources import chains
from worker.speech.stt.fallback import ChainSTT
from worker.speech.tts.fallback import ChainTTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.stand_ins._server import StandIn

CHAINS = {"deepgram": "stt", "elevenlabs": "tts", "openai": "llm"}
EVERY = pytest.mark.parametrize("name", list(CHAINS))


def stand_in(name: str, *, allows: bool) -> StandIn:
    if name == "deepgram":
        return DeepgramStandIn(hear=hears("Hello there."), opt_out=allows)
    if name == "elevenlabs":
        return ElevenLabsStandIn(speak=a_second_of_sound, zero_retention=allows)
    return OpenAIStandIn(unknown_parameters=() if allows else ("store",))


def settings_for(server: StandIn, name: str, folder: Path, **variables: Any) -> Settings:
    kind = CHAINS[name]
    last = "scripted" if kind == "llm" else "local"
    return Settings.load(
        _env_file=None,
        **{
            **server.environment,
            f"INTERVIEW_{kind.upper()}": f"{name},{last}",
            "INTERVIEW_DATA_DIR": folder,
            **variables,
        },
    )


async def listen(settings: Settings) -> str:
    """Return the provider that has transcribed a phrase."""
    engine = ChainSTT(chains.stt_chain(settings, None))
    try:
        async with engine.stream() as stream:
            push(stream, PHRASE)
            async for event in stream:
                if event.alternatives and event.alternatives[0].text:
                    break
        return engine.chain.serving
    finally:
        await engine.aclose()


async def speak(settings: Settings) -> str:
    """Return the provider that has spoken a sentence."""
    engine = ChainTTS(chains.tts_chain(settings))
    try:
        async with engine.stream() as stream:
            stream.push_text("Hello there.")
            stream.end_input()
            assert [event async for event in stream]
        return engine.chain.serving
    finally:
        await engine.aclose()


async def reply(settings: Settings) -> str:
    """Return the provider that has replied."""
    chain = chains.llm_chain(settings)
    assert chain is not None
    engine = ChainLLM(chain, first_word_s=2.0)
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Hello?")
    try:
        async with engine.chat(chat_ctx=context) as stream:
            assert [chunk async for chunk in stream]
        return engine.chain.serving
    finally:
        await engine.aclose()


USES: dict[str, Callable[[Settings], Awaitable[str]]] = {
    "deepgram": listen,
    "elevenlabs": speak,
    "openai": reply,
}


async def use(settings: Settings, name: str) -> str:
    async with http_context.open():
        return await USES[name](settings)


def asked(server: StandIn, name: str) -> list[bool]:
    """Return for each request that was not a probe whether it asks to keep no data."""
    return {
        "deepgram": lambda: [
            each.query["mip_opt_out"] == "true"
            for each in server.requests
            if each.path == "/v1/listen"
        ],
        "elevenlabs": lambda: [
            each.query["enable_logging"] == "false"
            for each in server.requests
            if "/text-to-speech/" in each.path
        ],
        "openai": lambda: [
            each.body.get("store") is False
            for each in server.requests
            if each.path == "/v1/chat/completions"
        ],
    }[name]()


@EVERY
async def test_a_provider_is_asked_to_keep_nothing(name: str, tmp_path: Path) -> None:
    async with stand_in(name, allows=True) as server:
        assert await use(settings_for(server, name, tmp_path), name) == name
    assert asked(server, name) == [True]


@EVERY
async def test_a_setting_leaves_the_request_out(name: str, tmp_path: Path) -> None:
    off = {f"INTERVIEW_{name.upper()}_OPT_OUT": "0"}
    async with stand_in(name, allows=False) as server:
        assert await use(settings_for(server, name, tmp_path, **off), name) == name
    assert asked(server, name) == [False]
    if name == "openai":
        (request,) = [each for each in server.requests if each.body is not None]
        assert "store" not in request.body


@EVERY
async def test_an_account_that_refuses_the_request_is_used_without_it(
    name: str, tmp_path: Path
) -> None:
    async with stand_in(name, allows=False) as server:
        settings = settings_for(server, name, tmp_path)
        assert chains.refused_opt_outs(settings) == []
        assert await use(settings, name) == name
        assert asked(server, name) == [True, False]
        # The next job knows it, and so does the next start.
        assert await use(settings, name) == name
        assert asked(server, name) == [True, False, False]
        assert chains.refused_opt_outs(settings) == [(CHAINS[name], name)]


@EVERY
@pytest.mark.parametrize(
    ("allows", "variable", "verdict", "fact"),
    [
        (True, "1", "ok", "asked"),
        (False, "1", "warning", "refused"),
        (False, "0", "ok", "off"),
    ],
)
async def test_the_doctor_says_whether_an_account_refuses_it(
    name: str, allows: bool, variable: str, verdict: str, fact: str, tmp_path: Path
) -> None:
    setting = f"INTERVIEW_{name.upper()}_OPT_OUT"
    async with stand_in(name, allows=allows) as server:
        settings = settings_for(server, name, tmp_path, **{setting: variable})
        finding = await provider_check(CHAINS[name], name)(CheckContext(settings))
    assert (finding.verdict, finding.facts["opt_out"]) == (verdict, fact)
    if fact == "refused":
        assert "the worker uses it without asking for that" in finding.found
        assert setting in finding.advice
