"""Settings that a command can check although other settings are invalid."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from worker.config.settings import Settings, variable_of
from worker.env.group import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_HTTP: Final = ("http_host", "http_port", "http_token", "http_probe_host", "http_probe_port")
#: Fields that are read from the environment, because `worker.cli.requirements` checks them.
_CHECKED: Final = (
    "livekit_url",
    "livekit_api_key",
    "livekit_api_secret",
    "database_url",
    "database_job_url",
    "embedded",
    "data_dir",
    *_HTTP,
)


def partial_settings(invalid: SettingsInvalid) -> Settings:
    """Return settings for the checks of a command, after reading the settings has failed.

    The settings in `_CHECKED` are read from the environment. Every other setting, and every invalid
    setting, has its default. If the HTTP server's port is invalid, or its address requires a token
    that is not set, the result has the default address and port 0 (any free port), so that a check
    of the port finds no problem.
    """
    valid = [name for name in _CHECKED if variable_of(name) not in invalid.variables]
    try:
        return Settings.load(**_defaults_except(valid))
    except SettingsInvalid:
        valid = [name for name in valid if name not in _HTTP]
        return Settings.load(**_defaults_except(valid), **{variable_of("http_port"): 0})


def _defaults_except(names: Collection[str]) -> Mapping[str, Any]:
    """Return the defaults of all settings except `names` and the HTTP port, by variable name."""
    left_out = {*names, "http_port"}
    return {
        variable_of(name): field.default
        for name, field in Settings.model_fields.items()
        if name not in left_out
    }
