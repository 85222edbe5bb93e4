"""Declaration of a vendor: what the worker must know of it without importing its SDK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from worker.env.group import SettingsGroup
    from worker.speech.tts.voice import Voice

#: The fallback chains: speech to text, text to speech, language model.
CHAINS: Final = ("stt", "tts", "llm")


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One vendor. `key`, `url` and `choices` are names of fields of `settings`."""

    #: Name in the fallback chains, and of the vendor's package.
    name: str
    #: The fallback chains that the vendor can serve.
    chains: tuple[str, ...]
    #: The vendor's settings. worker/config/providers.py makes them part of the worker's settings.
    settings: type[SettingsGroup] | None = None
    #: Field of the API key; None if the vendor needs no key. A vendor with a key has a probe.
    key: str | None = None
    #: Field of the URL, and the schemes that the URL may have.
    url: str | None = None
    schemes: tuple[str, ...] = ("http", "https")
    #: Fields, other than the key, that decide whether the vendor accepts a request.
    choices: tuple[str, ...] = ()
    #: Returns what determines how the vendor speaks given words, for the key of the TTS cache.
    voice: Callable[[Any], Voice] | None = None
    #: Returns the seconds from the end of a phrase to its text; None if no setting delays the text.
    transcript_s: Callable[[Any], float] | None = None
    #: Packages of the vendor that quote their input in log lines. The plugins of livekit, which all
    #: quote it, are not listed.
    quoting: tuple[str, ...] = ()
    #: True if the vendor has an SDK and a fault point. False only for `scripted`, the plan's own
    #: words: a chain of language models ends there.
    has_plugin: bool = True
