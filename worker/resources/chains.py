"""The fallback chains of speech and language, made from the settings and the vendors' plugins.

Only the plugins of the vendors in the chains are imported. A vendor whose SDK cannot be imported
fails like any other provider.
"""

from __future__ import annotations

from functools import partial
from itertools import takewhile
from typing import Any

from livekit.agents import llm, stt, tts, vad

from worker.config.providers import ProviderSettings
from worker.config.settings import Settings
from worker.fallback.chain import ProviderChain
from worker.fallback.opt_outs import OptOutRecords
from worker.fallback.probe import Probe
from worker.fallback.shared_breaker import provider_breaker
from worker.providers.plugin import plugin_of
from worker.providers.registry import VENDORS
from worker.providers.vendor import CHAINS


def stt_chain(settings: Settings, detector: vad.VAD | None) -> ProviderChain[stt.STT[Any]]:
    """Return the chain of speech-to-text providers."""
    return _chain("stt", settings, settings.usable("stt"), detector)


def tts_chain(settings: Settings) -> ProviderChain[tts.TTS[Any]]:
    """Return the chain of text-to-speech providers."""
    return _chain("tts", settings, settings.usable("tts"))


def llm_chain(settings: Settings) -> ProviderChain[llm.LLM[Any]] | None:
    """Return the chain of language models listed before `scripted`; None if there are none."""
    before = tuple(takewhile(lambda name: VENDORS[name].has_plugin, settings.usable("llm")))
    return _chain("llm", settings, before) if before else None


def make(kind: str, name: str, settings: ProviderSettings, *given: Any) -> Any:
    """Create the plugin instance of a provider for the chain `kind` (stt, tts, llm).

    `given` is what the factory takes besides the settings: for stt, the loaded VAD or None. The
    call raises any error of the SDK, or of its import.
    """
    return getattr(plugin_of(name), kind)(settings, *given)


def _chain(
    kind: str, settings: Settings, names: tuple[str, ...], *given: Any
) -> ProviderChain[Any]:
    probes = {name: probe_of(settings, name) for name in names}
    without = {name: without_opt_out(settings, name) for name in names}
    return ProviderChain(
        kind,
        [(name, partial(make, kind, name, settings, *given)) for name in names],
        without_opt_out={
            name: partial(make, kind, name, plain, *given)
            for name, plain in without.items()
            if plain is not None
        },
        probes={name: probe for name, probe in probes.items() if probe is not None},
        breaker=provider_breaker(settings.data_dir),
    )


def without_opt_out(settings: Settings, name: str) -> Settings | None:
    """Return settings without the opt-out, the request to a provider to keep no data.

    Returns None if `settings` already contain no opt-out for this provider.
    """
    opt_out = VENDORS[name].opt_out
    if opt_out is None or not getattr(settings, opt_out.field):
        return None
    return settings.model_copy(update={opt_out.field: False})


def refused_opt_outs(settings: Settings) -> list[tuple[str, str]]:
    """Return the chain and the name of each provider that is known to refuse the opt-out.

    A provider is returned if a job of this worker found out within the last day that the provider
    refuses the opt-out.
    """
    breaker = provider_breaker(settings.data_dir)
    return [
        (kind, name)
        for kind in CHAINS
        for name in settings.usable(kind)
        if without_opt_out(settings, name) is not None
        and OptOutRecords(kind, breaker).is_refused(name)
    ]


def probe_of(settings: ProviderSettings, name: str) -> Probe | None:
    """Return the health probe of a provider; None if the provider needs no key."""
    if VENDORS[name].key is None:
        return None

    async def probe() -> None:
        make_probe = plugin_of(name).probe
        if make_probe is not None:
            await make_probe(settings)()

    return probe


def import_plugins(settings: ProviderSettings) -> None:
    """Import the plugins that the chains name.

    The import takes about a second, so call this function before job processes are forked.
    """
    for name in dict.fromkeys(name for kind in CHAINS for name in settings.usable(kind)):
        if VENDORS[name].has_plugin:
            plugin_of(name)


def patience_with(settings: ProviderSettings) -> float:
    """Return the seconds of speech without a transcript after which the next provider takes over.

    The result is at least as long as the normal delay of each provider, because a provider that is
    set to wait for a long silence sends its transcript late without having failed.
    """
    delays = [vendor.transcript_s for vendor in VENDORS.values()]
    return max(settings.stt_patience_s, *(delay(settings) for delay in delays if delay))
