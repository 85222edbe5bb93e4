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
class OptOut:
    """A request to a vendor to keep no data that it gets, and to train no models on it."""

    #: Name of the settings field that turns the request on: a boolean, True by default.
    field: str
    #: What the vendor is asked, as the end of a sentence that begins with "is asked".
    asks: str


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One vendor. `key`, `url` and `choices` are names of fields of `settings`."""

    #: Name of the vendor in the fallback chains, and name of the vendor's package.
    name: str
    #: The fallback chains that the vendor can serve.
    chains: tuple[str, ...]
    #: The vendor's settings. worker/config/providers.py makes them part of the worker's settings.
    settings: type[SettingsGroup] | None = None
    #: Name of the field of the API key; None if the vendor needs no key. A vendor with a key has a
    #: probe.
    key: str | None = None
    #: Name of the field of `settings` with the vendor's URL; None if there is no such field.
    url: str | None = None
    #: Schemes that the URL in the field `url` may have.
    schemes: tuple[str, ...] = ("http", "https")
    #: Names of further settings fields that decide whether the vendor accepts a request, such as
    #: the model.
    choices: tuple[str, ...] = ()
    #: Returns the properties of the voice that are part of the key of the TTS cache; None if the
    #: vendor does not offer text to speech.
    voice: Callable[[Any], Voice] | None = None
    #: Returns the languages that the vendor hears or speaks with these settings, in the form of
    #: `languages.language_of`; None if they are not known. A vendor without this function hears and
    #: speaks any language, as far as is known.
    languages: Callable[[Any], frozenset[str] | None] | None = None
    #: The request to the vendor to keep no data; None if the vendor has no such option.
    opt_out: OptOut | None = None
    #: Returns the delay in seconds from the end of a phrase to its transcript; None if no setting
    #: delays the transcript.
    transcript_s: Callable[[Any], float] | None = None
    #: Packages of the vendor that quote their input in log lines. The plugins of livekit are not
    #: listed, although all of them quote their input.
    quoting: tuple[str, ...] = ()
    #: True if the vendor has a `plugin.py` and a fault point. Only the vendor `scripted` has
    #: neither, because it stands for the plan's own words at the end of the language-model chain.
    has_plugin: bool = True
