"""The doctor's findings on the local provider servers, healthy and with every kind of fault."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.stand_ins.deepgram import DeepgramStandIn
from tests.stand_ins.elevenlabs import ElevenLabsStandIn
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai import OpenAIStandIn
from tests.support.database.provider_clients import a_second_of_sound, hears
from worker.config.settings import Settings
from worker.doctor.context import CheckContext
from worker.doctor.finding import Finding
from worker.doctor.providers import provider_check

Server: TypeAlias = DeepgramStandIn | ElevenLabsStandIn | OpenAIStandIn

CHAINS = {
    "Deepgram": ("stt", "deepgram"),
    "ElevenLabs": ("tts", "elevenlabs"),
    "OpenAI": ("llm", "openai"),
}
EVERY = pytest.mark.parametrize("name", list(CHAINS))


def stand_in(name: str) -> Server:
    if name == "Deepgram":
        return DeepgramStandIn(hear=hears(""))
    if name == "ElevenLabs":
        return ElevenLabsStandIn(speak=a_second_of_sound)
    return OpenAIStandIn()


def settings_for(server: Server, folder: Path, **variables: Any) -> Settings:
    """Return settings whose fallback chain names this provider."""
    kind, member = CHAINS[server.provider]
    chain = {f"INTERVIEW_{kind.upper()}": f"{member},{'scripted' if kind == 'llm' else 'local'}"}
    return Settings.load(
        _env_file=None,
        INTERVIEW_DATA_DIR=folder,
        **{**server.environment, **chain, **variables},
    )


async def look(server: Server, folder: Path, **variables: Any) -> Finding:
    settings = settings_for(server, folder, **variables)
    return await provider_check(*CHAINS[server.provider])(CheckContext(settings))


@EVERY
async def test_a_working_provider_is_ok_and_gets_few_requests(name: str, tmp_path: Path) -> None:
    async with stand_in(name) as server:
        finding = await look(server, tmp_path)
        assert (finding.verdict, len(server.requests)) == ("ok", 2)
    if isinstance(server, ElevenLabsStandIn):
        assert server.characters <= 2
    if isinstance(server, DeepgramStandIn):
        assert server.audio_s <= 0.1


@EVERY
async def test_a_refused_key_is_reported_and_not_shown(name: str, tmp_path: Path) -> None:
    async with stand_in(name) as server:
        finding = await look(server, tmp_path, **{server.key_variable: "topsecret"})
    assert finding.verdict == "wrong"
    assert "refuses the key (KeyRefused)" in finding.found
    assert finding.advice == f"check {server.key_variable}"
    assert "topsecret" not in str(finding)


@EVERY
async def test_an_empty_account_is_reported(name: str, tmp_path: Path) -> None:
    async with stand_in(name) as server:
        # The free probe passes, and the billed request is refused.
        server.next(Fault.slow())
        server.fault(Fault.refuse(402))
        finding = await look(server, tmp_path)
    assert "has no credit left (PaymentRequired)" in finding.found


async def test_elevenlabs_401_behind_a_good_key_is_an_empty_account(tmp_path: Path) -> None:
    async with stand_in("ElevenLabs") as server:
        server.next(Fault.slow())
        server.fault(Fault.refuse(401, code="quota_exceeded"))
        finding = await look(server, tmp_path)
    assert "no credit left, or the key lacks a permission" in finding.found


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("Deepgram", "INTERVIEW_DEEPGRAM_MODEL", "nova-99"),
        ("ElevenLabs", "INTERVIEW_ELEVENLABS_VOICE", "nobody"),
        ("ElevenLabs", "INTERVIEW_ELEVENLABS_MODEL", "nothing"),
    ],
)
async def test_an_unknown_voice_or_model_is_reported_with_its_setting(
    name: str, variable: str, value: str, tmp_path: Path
) -> None:
    async with stand_in(name) as server:
        finding = await look(server, tmp_path, **{variable: value})
    assert "does not know the requested model or option" in finding.found
    assert variable in finding.advice


async def test_an_unknown_language_model_is_reported_with_its_setting(tmp_path: Path) -> None:
    async with OpenAIStandIn(models=["another"]) as server:
        finding = await look(server, tmp_path)
    assert "does not know the requested model or option" in finding.found
    assert "INTERVIEW_OPENAI_MODEL" in finding.advice


@EVERY
async def test_an_unreachable_provider_is_reported_with_its_setting(
    name: str, tmp_path: Path
) -> None:
    server = stand_in(name)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    finding = await look(
        server, tmp_path, **{server.url_variable: f"http://127.0.0.1:{port}{server.path}"}
    )
    assert "cannot be reached (ProviderAway)" in finding.found
    assert server.url_variable in finding.advice


@pytest.mark.parametrize(
    ("name", "fault"),
    [("ElevenLabs", Fault.no_audio()), ("OpenAI", Fault.empty_text())],
)
async def test_a_provider_that_delivers_nothing_is_wrong(
    name: str, fault: Fault, tmp_path: Path
) -> None:
    async with stand_in(name) as server:
        server.next(Fault.slow())
        server.fault(fault)
        finding = await look(server, tmp_path)
    assert finding.verdict == "wrong"


@EVERY
async def test_a_provider_without_a_key_is_a_warning(name: str, tmp_path: Path) -> None:
    async with stand_in(name) as server:
        finding = await look(server, tmp_path, **{server.key_variable: ""})
    assert finding.verdict == "warning"
    assert f"{server.key_variable} is not set" in finding.found
