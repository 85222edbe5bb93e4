"""Declaration of the vendor `local`: the speech models inside the worker, without settings."""

from __future__ import annotations

import importlib.metadata

from worker.providers.languages import ENGLISH
from worker.providers.vendor import Vendor
from worker.speech.tts.voice import Voice


def _voice(_: object) -> Voice:
    # Import here and not at the top: the import loads numpy, which most code that reads settings
    # does not need.
    from worker.speech import local_models

    return Voice(
        provider=local_models.PROVIDER,
        voice=local_models.TTS_MODEL,
        model=_version_of("hibari-tts"),
    )


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"


VENDOR = Vendor(
    name="local",
    chains=("stt", "tts"),
    voice=_voice,
    languages=lambda _: ENGLISH,
)
