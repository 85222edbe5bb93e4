"""The vendors: what each declares agrees with its plugin and its settings."""

from __future__ import annotations

import pytest

from worker.config.providers import KEY_FIELDS, ProviderSettings
from worker.faults.points import POINTS
from worker.providers.plugin import plugin_of
from worker.providers.registry import VENDORS, vendors_of
from worker.providers.vendor import CHAINS, Vendor

EVERY = pytest.mark.parametrize("vendor", VENDORS.values(), ids=list(VENDORS))
EVERY_WITH_PLUGIN = pytest.mark.parametrize(
    "vendor", [each for each in VENDORS.values() if each.has_plugin], ids=lambda each: each.name
)


@EVERY
def test_a_vendor_has_the_name_of_its_package(vendor: Vendor) -> None:
    assert VENDORS[vendor.name] is vendor
    assert vendor.chains
    assert set(vendor.chains) <= set(CHAINS)


@EVERY
def test_the_fields_that_a_vendor_names_are_settings_of_its_own(vendor: Vendor) -> None:
    own = vendor.settings.model_fields if vendor.settings is not None else {}
    fields = [vendor.key, vendor.url, *vendor.choices]
    if vendor.opt_out is not None:
        fields.append(vendor.opt_out.field)
    named = {field for field in fields if field is not None}
    assert named <= set(own)
    assert set(own) <= set(ProviderSettings.model_fields)


@EVERY_WITH_PLUGIN
def test_a_plugin_serves_exactly_the_chains_of_its_vendor(vendor: Vendor) -> None:
    plugin = plugin_of(vendor.name)
    assert {kind for kind in CHAINS if getattr(plugin, kind)} == set(vendor.chains)
    assert (plugin.probe is not None) == (vendor.key is not None)


@pytest.mark.parametrize("vendor", vendors_of("tts"), ids=lambda each: each.name)
def test_every_vendor_that_speaks_declares_its_voice_for_the_cache(vendor: Vendor) -> None:
    assert vendor.voice is not None


@pytest.mark.parametrize("chain", CHAINS)
def test_each_chain_has_a_provider_that_needs_no_key(chain: str) -> None:
    assert any(vendor.name not in KEY_FIELDS for vendor in vendors_of(chain))


@pytest.mark.parametrize("chain", CHAINS)
def test_a_fault_can_be_set_for_each_provider_of_a_chain(chain: str) -> None:
    (point,) = (point for point in POINTS if point.point == chain)
    assert point.members == tuple(each.name for each in vendors_of(chain) if each.has_plugin)
