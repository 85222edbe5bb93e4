"""Languages of the providers, as the first part of a language tag: `en` of `en-GB`."""

from __future__ import annotations

from typing import Final

#: The languages of the speech models that are part of the worker.
ENGLISH: Final = frozenset({"en"})
#: Alternative codes of some languages, each with the code that this module uses for the language.
_SAME: Final = {
    "cmn": "zh",
    "nb": "no",
    "nn": "no",
    "tl": "fil",
    "iw": "he",
    "in": "id",
}


def language_of(tag: str) -> str:
    """Return the language code of a language tag, with one code per language (`he` for `iw`)."""
    code = tag.strip().replace("_", "-").split("-")[0].lower()
    return _SAME.get(code, code)


def languages(codes: str) -> frozenset[str]:
    """Return the languages of a list of codes that are separated by spaces."""
    return frozenset(language_of(code) for code in codes.split())
