"""The fallback chains made from the settings: members, their options, and missing keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIStatusError, vad
from livekit.plugins import deepgram, elevenlabs, openai

from worker.config.settings import Settings
from worker.env.group import SettingsInvalid
from worker.resources import chains
from worker.resources.bootstrap import AgentResources
from worker.resources.resource import LoadFailed
from worker.resources.speech import llm_resource, stt_resource, tts_resource
from worker.speech import local_models
from worker.speech.stt.fallback import ChainSTT
from worker.speech.stt.local import LocalSTT
from worker.speech.tts.local import LocalTTS

KEYS = {"DEEPGRAM_API_KEY": "dg", "ELEVEN_API_KEY": "el", "OPENAI_API_KEY": "oa"}
CHAINS = {
    "INTERVIEW_STT": "deepgram,local",
    "INTERVIEW_TTS": "elevenlabs,local",
    "INTERVIEW_LLM": "openai,scripted",
}


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    for name in (*KEYS, *CHAINS):
        monkeypatch.delenv(name, raising=False)
    # The shared provider state of a worker's jobs is stored there.
    monkeypatch.setenv("INTERVIEW_DATA_DIR", str(tmp_path))

    def set_to(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return Settings.load(_env_file=None)

    return set_to


def test_with_keys_each_chain_has_all_its_providers_in_order(set_environment: Any) -> None:
    settings = set_environment(**CHAINS, **KEYS)

    assert chains.stt_chain(settings, None).names == ("deepgram", "local")
    assert chains.tts_chain(settings).names == ("elevenlabs", "local")
    chain = chains.llm_chain(settings)
    assert chain is not None
    assert chain.names == ("openai",)
    assert settings.left_out() == ()


def test_a_provider_without_its_key_is_left_out_with_one_line(set_environment: Any) -> None:
    settings = set_environment(**CHAINS)

    assert chains.stt_chain(settings, None).names == ("local",)
    assert chains.tts_chain(settings).names == ("local",)
    assert chains.llm_chain(settings) is None
    assert settings.left_out() == (
        "deepgram is left out of INTERVIEW_STT: DEEPGRAM_API_KEY is not set",
        "elevenlabs is left out of INTERVIEW_TTS: ELEVEN_API_KEY is not set",
        "openai is left out of INTERVIEW_LLM: OPENAI_API_KEY is not set",
    )


@pytest.mark.parametrize(
    ("variable", "chain", "needed"),
    [
        ("INTERVIEW_STT", "deepgram", "set DEEPGRAM_API_KEY, or add local"),
        ("INTERVIEW_TTS", "elevenlabs", "set ELEVEN_API_KEY, or add local"),
        ("INTERVIEW_LLM", "openai", "set OPENAI_API_KEY, or add scripted"),
    ],
)
def test_a_chain_without_any_key_is_refused_with_advice(
    set_environment: Any, variable: str, chain: str, needed: str
) -> None:
    with pytest.raises(SettingsInvalid, match=needed) as caught:
        set_environment(**{variable: chain})

    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("key", ["", "   "], ids=["empty", "blank"])
def test_a_blank_key_counts_as_missing(set_environment: Any, key: str) -> None:
    assert set_environment(**CHAINS, DEEPGRAM_API_KEY=key).usable("stt") == ("local",)


@pytest.mark.row("C8")
async def test_each_provider_is_created_from_its_settings(set_environment: Any) -> None:
    settings = set_environment(
        **CHAINS,
        **KEYS,
        INTERVIEW_DEEPGRAM_MODEL="nova-2",
        INTERVIEW_DEEPGRAM_LANGUAGE="de",
        INTERVIEW_ELEVENLABS_VOICE="a-voice",
        INTERVIEW_ELEVENLABS_MODEL="eleven_flash_v2_5",
        INTERVIEW_OPENAI_MODEL="llama-3",
    )
    made: dict[str, Any] = {}
    for chain in (
        chains.stt_chain(settings, None),
        chains.tts_chain(settings),
        chains.llm_chain(settings),
    ):
        assert chain is not None
        made |= dict(chain.candidates())
        await chain.aclose()

    assert isinstance(made["deepgram"], deepgram.STT)
    assert made["deepgram"].model == "nova-2"
    assert isinstance(made["elevenlabs"], elevenlabs.TTS)
    assert made["elevenlabs"].model == "eleven_flash_v2_5"
    assert made["elevenlabs"].sample_rate == 24_000
    assert isinstance(made["openai"], openai.LLM)
    assert made["openai"].model == "llama-3"
    assert isinstance(made["local"], LocalTTS | LocalSTT)


@pytest.mark.parametrize(
    "url", ["deepgram", "ftp://dg.example", "https://", "https://a b", "https://dg:99999"]
)
@pytest.mark.parametrize(
    "variable", ["DEEPGRAM_BASE_URL", "ELEVENLABS_BASE_URL", "OPENAI_BASE_URL"]
)
def test_an_invalid_base_url_is_refused_with_an_example(
    set_environment: Any, variable: str, url: str
) -> None:
    with pytest.raises(SettingsInvalid, match=f"{variable}: is no URL; give one like https://"):
        set_environment(**{variable: url})


async def test_local_speech_that_did_not_load_is_reported_as_unavailable(
    set_environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: bool) -> None:
        raise local_models.LocalSpeechUnavailable("the model file is gone")

    monkeypatch.setattr(local_models, "preload", broken)
    settings = set_environment()

    for resource in (stt_resource(settings), tts_resource(settings)):
        with pytest.raises(LoadFailed) as caught:
            await resource.load(AgentResources())
        assert caught.value.reason == "NoProviderLeft"
        assert caught.value.message == "local: LocalSpeechUnavailable"
        # The chain is kept anyway, and speaks once the model is available.
        await caught.value.meanwhile.aclose()  # type: ignore[union-attr]  # it is the chain


async def test_the_first_choice_serves_when_the_fallback_did_not_load(
    set_environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: bool) -> None:
        raise local_models.LocalSpeechUnavailable("the model file is gone")

    monkeypatch.setattr(local_models, "preload", broken)

    engine = await stt_resource(set_environment(**CHAINS, **KEYS)).load(AgentResources())

    assert isinstance(engine, ChainSTT)
    assert engine.chain.serving == "deepgram"
    await engine.aclose()


async def test_the_local_stt_uses_the_loaded_vad(
    set_environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[vad.VAD | None] = []
    monkeypatch.setattr(
        "worker.speech.stt.local.LocalSTT.__init__", lambda self, *, vad: given.append(vad)
    )
    detector: Any = object()

    list(chains.stt_chain(set_environment(), detector).candidates())

    assert given == [detector]


async def test_a_scripted_interviewer_needs_no_model(set_environment: Any) -> None:
    assert await llm_resource(set_environment()).load(AgentResources()) is None


@pytest.mark.parametrize(("endpointing_ms", "patience_s"), [("300", 2.0), ("3000", 4.0)])
def test_the_transcript_timeout_exceeds_the_endpointing_delay(
    set_environment: Any, endpointing_ms: str, patience_s: float
) -> None:
    settings = set_environment(INTERVIEW_DEEPGRAM_ENDPOINTING_MS=endpointing_ms)

    assert chains.patience_with(settings) == patience_s


async def test_the_jobs_of_a_worker_share_the_state_of_cloud_providers(
    set_environment: Any,
) -> None:
    settings = set_environment(**CHAINS, **KEYS)
    one, other = (chains.tts_chain(settings) for _ in range(2))

    one.failed("elevenlabs", APIStatusError("no", status_code=402))

    assert [name for name, _ in other.candidates()] == ["local"]
    await one.aclose()
    await other.aclose()
