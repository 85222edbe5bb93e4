"""What others must know of the plan's own words, which need neither settings nor an SDK."""

from __future__ import annotations

from worker.providers.vendor import Vendor

VENDOR = Vendor(name="scripted", chains=("llm",), has_plugin=False)
