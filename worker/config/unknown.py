"""Find variables with the prefix INTERVIEW_ that are no settings, for example misspelt ones."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worker.config.settings import Settings, dotenv_variables
from worker.env.secret_files import SUFFIX, secret_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "INTERVIEW_"
#: Variables that Kubernetes and Docker set for a service whose name begins with "interview"
#: (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
_OF_A_SERVICE: Final = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)"
)
#: Value of the variable NAME_PORT, which Kubernetes and Docker set for a service NAME.
_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://\S+")


@dataclass(frozen=True, kw_only=True)
class UnknownVariable:
    """A variable of the environment or of the file of settings that has no effect."""

    name: str
    #: The setting whose variable has the most similar name; None if no name is similar.
    nearest: str | None

    @property
    def advice(self) -> str:
        """What to do about the variable."""
        if self.nearest is not None:
            return f"did you mean {self.nearest}?"
        return "`interview-worker config` lists the settings"

    def __str__(self) -> str:
        return f"{self.name} is not a setting and has no effect: {self.advice}"


def unknown_variables() -> list[UnknownVariable]:
    """Return the unknown variables with the prefix INTERVIEW_, sorted by name.

    Variables that Kubernetes and Docker set to describe a service are left out.
    """
    variables = [str(field.validation_alias) for field in Settings.model_fields.values()]
    variables += [variable + SUFFIX for variable in secret_variables(Settings).values()]
    known = [name.removeprefix(_PREFIX) for name in variables if name.startswith(_PREFIX)]
    return [
        UnknownVariable(
            name=name if name.isprintable() else ascii(name), nearest=_nearest(name, known)
        )
        for name in sorted(set(_given()))
        if name.upper().removeprefix(_PREFIX) not in known
    ]


def _given() -> Iterator[str]:
    """Yield the names of INTERVIEW_ variables, except those that Kubernetes sets for a service."""
    for name, value in (*dotenv_variables().items(), *os.environ.items()):
        if not name.upper().startswith(_PREFIX):
            continue
        of_a_service = _OF_A_SERVICE.fullmatch(name) or (
            name.endswith("_PORT") and _ADDRESS.fullmatch(value or "")
        )
        if not of_a_service:
            yield name


def _nearest(name: str, known: list[str]) -> str | None:
    # Compare the names without their prefix, because the prefix would make all names similar.
    close = difflib.get_close_matches(name.upper().removeprefix(_PREFIX), known, n=1)
    return f"{_PREFIX}{close[0]}" if close else None
