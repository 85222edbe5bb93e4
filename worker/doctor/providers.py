"""Checks that each provider works with the configured key, at minimal cost.

The first request of a check is the provider's health probe, which is free and shows whether the
provider accepts the key. The second request of a check is real, and is sent in the same way as in
the worker: two letters to synthesize, a tenth of a second of silence to transcribe, or one short
reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from livekit.agents import APIConnectOptions, llm, stt, tts
from livekit.agents.utils import http_context

from worker.audio.frames import frame_of
from worker.config.providers import KEY_FIELDS
from worker.config.settings import variable_of
from worker.doctor.finding import Finding, fine, warning, wrong
from worker.fallback.failure import REQUEST_REFUSED, Failure, failure_of
from worker.fallback.opt_outs import REFUSALS
from worker.providers.registry import VENDORS
from worker.resources.chains import make, probe_of, without_opt_out

if TYPE_CHECKING:
    from worker.config.settings import Settings
    from worker.doctor.context import CheckContext

#: Timeout for one provider in seconds, for the probe and the request together.
PROVIDER_S: Final = 8.0
_ONCE: Final = APIConnectOptions(max_retry=0, timeout=PROVIDER_S)
_SILENCE_S: Final = 0.1
_RATE: Final = 16_000
_WORD: Final = "Hi"


def provider_check(kind: str, name: str) -> Callable[[CheckContext], Awaitable[Finding]]:
    """Return the check of one provider that needs a key.

    `kind` is the fallback chain of the provider: "stt", "tts" or "llm".
    """

    async def look(visit: CheckContext) -> Finding:
        settings = visit.settings
        if name not in settings.usable(kind):
            return warning(
                f"left out of {variable_of(kind)}: {variable_of(KEY_FIELDS[name])} is not set",
                f"set it, or remove {name} from {variable_of(kind)}",
            )
        return await _ask(settings, kind, name)

    return look


async def _ask(settings: Settings, kind: str, name: str) -> Finding:
    loop = asyncio.get_running_loop()
    probe = probe_of(settings, name)
    try:
        if probe is not None:
            await probe()
    except Exception as error:  # any error, which `failure_of` classifies as the fallback chains do
        return _sorted(failure_of(error), name, key_is_good=False)
    began = loop.time()
    plain = without_opt_out(settings, name)
    refused = False
    try:
        delivered = await _used(settings, kind, name)
    except Exception as error:  # any error, because a plugin may raise errors of any class
        failure = failure_of(error)
        if plain is None or failure.reason not in REFUSALS:
            return _sorted(failure, name, key_is_good=True)
        # The vendor may refuse the opt-out, the key or another option. Try without the opt-out.
        refused = True
        try:
            delivered = await _used(plain, kind, name)
        except Exception:  # report the failure of the first attempt, which a job would see too
            return _sorted(failure, name, key_is_good=True)
    took = round((loop.time() - began) * 1000)
    if not delivered:
        return wrong(
            f"{name} accepted the request and delivered nothing",
            "contact the provider",
            answer_ms=took,
        )
    chosen = ", ".join(str(getattr(settings, field)) for field in VENDORS[name].choices)
    options = f" ({chosen})" if chosen else ""
    works = f"{name} works, answered in {took} ms{options}"
    return _privacy_of(name, settings, works, refused=refused, took=took)


async def _used(settings: Settings, kind: str, name: str) -> bool:
    """Use a provider once; return whether it delivered anything. Raises any error of the plugin."""
    async with http_context.open():
        return await _USES[kind](settings, name)


def _privacy_of(name: str, settings: Settings, works: str, *, refused: bool, took: int) -> Finding:
    """Return the finding for a working provider; warn if the provider refuses to keep no data."""
    opt_out = VENDORS[name].opt_out
    if opt_out is None:
        return fine(works, answer_ms=took)
    variable = variable_of(opt_out.field)
    if refused:
        return warning(
            f"{works}, but refuses requests that ask it {opt_out.asks}; the worker uses it "
            "without asking for that",
            f"ask {name} for an account that allows it, or set {variable}=0 to hide this",
            answer_ms=took,
            opt_out="refused",
        )
    if not getattr(settings, opt_out.field):
        not_asked = f"{works}; not asked {opt_out.asks}, because {variable} is 0"
        return fine(not_asked, answer_ms=took, opt_out="off")
    return fine(f"{works}; asked {opt_out.asks}", answer_ms=took, opt_out="asked")


async def _listen(settings: Settings, name: str) -> bool:
    """Send a moment of silence and end the stream. Return True; no transcript is expected."""
    engine: stt.STT[Any] = make("stt", name, settings, None)
    try:
        async with engine.stream(conn_options=_ONCE) as stream:
            stream.push_frame(frame_of(np.zeros(round(_SILENCE_S * _RATE), np.int16), _RATE))
            stream.end_input()
            async for _ in stream:
                pass
    finally:
        await engine.aclose()
    return True


async def _speak(settings: Settings, name: str) -> bool:
    """Synthesize one short word, and return True if the provider sent audio.

    The request uses HTTP and no WebSocket, because the HTTP status shows the reason for a refusal.
    """
    engine: tts.TTS[Any] = make("tts", name, settings)
    try:
        async with engine.synthesize(_WORD, conn_options=_ONCE) as stream:
            return sum([event.frame.duration async for event in stream]) > 0
    finally:
        await engine.aclose()


async def _reply(settings: Settings, name: str) -> bool:
    """Request a reply to one message, and return True if the reply contains text."""
    engine: llm.LLM[Any] = make("llm", name, settings)
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Answer with the one word: yes")
    try:
        async with engine.chat(chat_ctx=context, conn_options=_ONCE) as stream:
            return any([chunk.delta is not None and chunk.delta.content async for chunk in stream])
    finally:
        await engine.aclose()


_USES: Final[dict[str, Callable[[Settings, str], Awaitable[bool]]]] = {
    "stt": _listen,
    "tts": _speak,
    "llm": _reply,
}


def _sorted(failure: Failure, name: str, *, key_is_good: bool) -> Finding:
    """Return the finding for a failed request to a provider, with advice.

    `key_is_good` is True if the health probe, which checks the key, has passed before.
    """
    vendor = VENDORS[name]
    key, address, choices = _named(vendor.key), _named(vendor.url), _named(*vendor.choices)
    found, advice = {
        "KeyRefused": (
            # ElevenLabs sends the status 401 also if the account has no credit left.
            (
                "has no credit left, or the key lacks a permission",
                f"check the account and the permissions of the key in {key}",
            )
            if key_is_good
            else ("refuses the key", f"check {key}")
        ),
        "PaymentRequired": ("has no credit left", "top up the account"),
        "NotFound": (
            "does not know the requested model or option",
            f"check {choices}, and {address}",
        ),
        REQUEST_REFUSED: (
            "does not know the requested model or option",
            f"check {choices}, and {address}",
        ),
        "RateLimited": ("limits the rate of requests", "wait, or raise the account's limits"),
        "ProviderTimeout": (
            "does not answer",
            f"check {address}, and the firewall",
        ),
        "ProviderAway": (
            "cannot be reached",
            f"check {address}, and the firewall",
        ),
    }.get(failure.reason, ("failed", "check the provider's status page, and try again"))
    return wrong(f"{name} {found} ({failure.reason})", advice, reason=failure.reason)


def _named(*fields: str | None) -> str:
    """Return the environment variables of settings fields, joined for a message, without None."""
    return " and ".join(variable_of(field) for field in fields if field) or "its settings"
