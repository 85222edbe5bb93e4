"""The list of all vendors. A new vendor is a package in this folder and one line in `_NAMES`."""

from __future__ import annotations

import importlib
from typing import Final

from worker.providers.vendor import CHAINS, Vendor

#: Names of all vendors, in the order in which help texts and error messages list the vendors of a
#: chain.
_NAMES: Final = (
    "deepgram",
    "elevenlabs",
    "openai",
    "local",
    "scripted",
)

VENDORS: Final[dict[str, Vendor]] = {
    name: importlib.import_module(f"worker.providers.{name}.settings").VENDOR for name in _NAMES
}


def vendors_of(chain: str) -> tuple[Vendor, ...]:
    """Return the vendors that the chain `chain` (stt, tts, llm) may name."""
    return tuple(vendor for vendor in VENDORS.values() if chain in vendor.chains)


def settings_of(chain: str) -> tuple[type, ...]:
    """Return the settings classes of the vendors whose first chain in `CHAINS` is `chain`."""
    return tuple(
        vendor.settings
        for vendor in vendors_of(chain)
        if vendor.settings is not None
        and next(each for each in CHAINS if each in vendor.chains) == chain
    )
