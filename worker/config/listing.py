"""The settings as a list: each with its group, value, default and origin, as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from worker.config.continuity import ContinuitySettings
from worker.config.http import HttpSettings
from worker.config.providers import ProviderSettings
from worker.config.settings import (
    Settings,
    dotenv_variables,
    origin_of,
    shown,
    variable_of,
)
from worker.config.silence import SilenceSettings
from worker.env.group import help_texts

_PROVIDERS: Final = "Speech and language model"
_CONTINUITY: Final = "Continuity: leases and redispatch"
_SILENCE: Final = "Silence of the interviewer"
_HTTP: Final = "HTTP server"
_WORKER: Final = "Worker"
#: Groups of the fields of `WorkerSettings`, by the beginning of the field's name. A field of
#: `WorkerSettings` with another beginning is in the group `_WORKER`.
_BY_PREFIX: Final = {
    "livekit_": "LiveKit",
    "database_": "Database",
    "embedded": "Database",
    "candidate_": "Candidate and turns",
    "turn_": "Candidate and turns",
    "budget_": "Time limits of a job's states",
    "hurried_": "Time limits of a job's states",
    "log_": "Logs",
    "faults": "Fault injection",
    "allow_faults": "Fault injection",
}
#: The groups in the order in which they are listed.
GROUPS: Final = (
    "LiveKit",
    "Database",
    _WORKER,
    _HTTP,
    "Logs",
    _PROVIDERS,
    "Candidate and turns",
    _SILENCE,
    "Time limits of a job's states",
    _CONTINUITY,
    "Fault injection",
)


@dataclass(frozen=True, kw_only=True)
class ListedSetting:
    """One setting as text. Secrets are masked."""

    variable: str
    value: str
    #: Source of the value, such as "environment" or "default" (`origin_of`).
    origin: str
    description: str
    group: str
    default: str
    #: True if the value differs from the default.
    changed: bool


def listed_settings(settings: Settings) -> list[ListedSetting]:
    """Return all settings in the order in which they are declared."""
    # Validate the declared defaults too, because a validator may complete a default (`ladder_s`).
    defaults = Settings.load(
        **{variable_of(name): field.default for name, field in Settings.model_fields.items()}
    )
    helps = help_texts(Settings)
    dotenv = dotenv_variables()
    return [
        ListedSetting(
            variable=variable_of(name),
            value=shown(getattr(settings, name)),
            origin=origin_of(name, dotenv),
            description=helps[name],
            group=group_of(name),
            default=shown(getattr(defaults, name)),
            changed=getattr(settings, name) != getattr(defaults, name),
        )
        for name in Settings.model_fields
    ]


def group_of(field: str) -> str:
    """Return the group of a setting."""
    if field in ProviderSettings.model_fields:
        return _PROVIDERS
    if field in ContinuitySettings.model_fields:
        return _CONTINUITY
    if field in SilenceSettings.model_fields:
        return _SILENCE
    if field in HttpSettings.model_fields:
        return _HTTP
    return next(
        (group for prefix, group in _BY_PREFIX.items() if field.startswith(prefix)), _WORKER
    )
