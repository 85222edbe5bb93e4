"""Deepgram's speech to text and health probe, on the LiveKit plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livekit.agents import stt
from livekit.plugins import deepgram

from worker.fallback.probe import http_probe
from worker.providers.http_session import session_for
from worker.providers.plugin import Plugin, with_path

if TYPE_CHECKING:
    from livekit.agents import vad

    from worker.fallback.probe import Probe
    from worker.providers.deepgram.settings import DeepgramSettings


def _stt(settings: DeepgramSettings, _: vad.VAD | None) -> stt.STT[Any]:
    return deepgram.STT(
        api_key=settings.deepgram_api_key.get_secret_value(),
        base_url=with_path(settings.deepgram_base_url, "/v1", "/listen"),
        model=settings.deepgram_model,
        language=settings.deepgram_language,
        endpointing_ms=settings.deepgram_endpointing_ms,
        mip_opt_out=settings.deepgram_opt_out,
        http_session=session_for(settings.deepgram_base_url),
    )


def deepgram_probe(base_url: str, key: str) -> Probe:
    """Return a probe that lists the key's projects.

    Source: developers.deepgram.com/reference/manage/projects/list.
    """
    url = with_path(base_url, "/v1", "/listen").removesuffix("/listen")
    return http_probe(f"{url}/projects", {"Authorization": f"Token {key}"})


def _probe(settings: DeepgramSettings) -> Probe:
    return deepgram_probe(settings.deepgram_base_url, settings.deepgram_api_key.get_secret_value())


PLUGIN = Plugin(stt=_stt, probe=_probe)
