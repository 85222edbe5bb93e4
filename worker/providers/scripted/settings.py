"""Declaration of the vendor `scripted`: the plan's own words, without settings or an SDK."""

from __future__ import annotations

from worker.providers.vendor import Vendor

VENDOR = Vendor(name="scripted", chains=("llm",), has_plugin=False)
