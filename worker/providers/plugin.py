"""The type of the constant `PLUGIN` in each vendor's `plugin.py`, and a function to import it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit import agents

    from worker.fallback.probe import Probe


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """Factories that create a vendor's plugin instances from the worker's settings."""

    #: Creates an instance of speech to text; None if the vendor does not offer speech to text. The
    #: first argument of the factory is the settings. The second argument is the VAD, for models
    #: that do not detect speech themselves; None if no VAD is loaded.
    stt: Callable[[Any, agents.vad.VAD | None], agents.stt.STT[Any]] | None = None
    #: Creates an instance of text to speech (24 kHz mono); None if the vendor does not offer it.
    tts: Callable[[Any], agents.tts.TTS[Any]] | None = None
    #: Creates a language model; None if the vendor does not offer language models.
    llm: Callable[[Any], agents.llm.LLM[Any]] | None = None
    #: Returns the health probe, which must cost nothing. Only a vendor with a key has a probe.
    probe: Callable[[Any], Probe] | None = None


def plugin_of(name: str) -> Plugin:
    """Return the plugin of the vendor `name`.

    The first call imports the vendor's SDK, which takes up to a second and may raise any error.
    """
    plugin: Plugin = importlib.import_module(f"worker.providers.{name}.plugin").PLUGIN
    return plugin


def with_path(url: str, *parts: str) -> str:
    """Return `url` with the path `parts` that an SDK needs.

    Parts that are already at the end of `url` are not added again.
    """
    for n in range(len(parts), 0, -1):
        end = "".join(parts[:n])
        if url.endswith(end):
            return url + "".join(parts[n:])
    return url + "".join(parts)
