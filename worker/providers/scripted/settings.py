"""Declaration of the vendor `scripted`.

With `scripted`, the interviewer says the plan's texts without a language model. The vendor needs
neither settings nor an SDK.
"""

from __future__ import annotations

from worker.providers.vendor import Vendor

VENDOR = Vendor(name="scripted", chains=("llm",), has_plugin=False)
