"""Secrets from files: the variable NAME_FILE names the file with the value of the setting NAME.

Docker and Kubernetes mount secrets as files, and replace the content when a secret is rotated. A
setting may come from a file if its type is SecretStr or if it is marked `FROM_FILE`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr
from pydantic_settings import PydanticBaseSettingsSource

from worker.env.env_file import file_variables

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

#: End of the name of the variable that names a file.
SUFFIX: Final = "_FILE"
#: Maximum size in bytes of a file with a secret. A key or a URL has a few hundred bytes.
_MOST_BYTES: Final = 65_536


class FromFile:
    """Marks, in `Annotated`, a setting that may come from a file although it is no SecretStr."""


FROM_FILE: Final = FromFile()


class SecretUnreadable(Exception):
    """Raised when a file cannot be used as a secret.

    The message continues a sentence that begins with "the file".
    """


@dataclass(frozen=True)
class UnusableSecret:
    """Stands for the value of a setting whose file cannot be used; `why` is the error message."""

    why: str


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting may come from a file and is stripped of surrounding white space."""
    marked = any(isinstance(each, FromFile) for each in field.metadata)
    return field.annotation is SecretStr or marked


def secret_variables(group: type[BaseSettings]) -> dict[str, str]:
    """Return, by field name, the variable of each setting that may come from a file."""
    return {
        name: str(field.validation_alias)
        for name, field in group.model_fields.items()
        if is_secret(field)
    }


def without_white_space(value: str) -> str:
    """Return a secret without surrounding white space, such as the line break at a file's end.

    Raises ValueError if a control character is left, which no key, token or URL contains: an HTTP
    client would refuse it later, with an error that does not name the setting.
    """
    value = value.strip()
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("contains a line break or another control character")
    return value


def read_secret(path: str) -> str:
    """Return the text of a file. Blocks while it reads. Raises SecretUnreadable.

    A pipe is refused, because a secret is read several times, by several processes.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SecretUnreadable("is not a regular file")
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SecretUnreadable(f"cannot be read ({error.strerror})") from None
    except ValueError:  # ValueError: the path contains a NUL
        raise SecretUnreadable("has an impossible name") from None
    if len(content) > _MOST_BYTES:
        raise SecretUnreadable(f"has more than {_MOST_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SecretUnreadable("is not UTF-8 text") from None
    if not text.strip():
        raise SecretUnreadable("is empty")
    return text


def secret_files(group: type[BaseSettings]) -> dict[str, str]:
    """Return, by field name, the file path of each secret that comes from a file.

    The paths come from the environment and from the file of settings. A secret that has a file and
    a value is included too, although reading the settings refuses it.
    """
    given = {name.upper(): value for name, value in file_variables().items()}
    given |= {name.upper(): value for name, value in os.environ.items()}
    return {
        field: path
        for field, variable in secret_variables(group).items()
        if (path := (given.get(variable + SUFFIX) or "").strip())
    }


def forget_values_beside_files(group: type[BaseSettings]) -> None:
    """Remove from the environment the value of each secret that has a file.

    livekit-agents writes its URL, key and secret into the environment of the worker. The job
    processes inherit this environment, and would refuse a secret that has both a value and a file.
    Only variables of the environment are read, because `start` has copied the file of settings into
    the environment.
    """
    given = {name.upper() for name, value in os.environ.items() if value.strip()}
    for variable in secret_variables(group).values():
        if variable + SUFFIX in given:
            os.environ.pop(variable, None)


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads the secrets of a group from the files that NAME_FILE names.

    A secret that is set twice, or whose file cannot be used, gets an `UnusableSecret` as value, so
    that it is reported like every other invalid setting.

    Args:
        settings_cls: The group.
        sources: The variables of the environment and of the file of settings, with names in lower
            case; the first source that has a variable counts.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], *sources: Mapping[str, str | None]
    ) -> None:
        super().__init__(settings_cls)
        self._sources = sources

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a setting, the name of its variable, and False (not JSON)."""
        variable = str(field.validation_alias)
        return self._value(variable) if is_secret(field) else None, variable, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of the secrets that have a file, by variable."""
        found = {
            variable: self._value(variable)
            for variable in secret_variables(self.settings_cls).values()
        }
        return {variable: value for variable, value in found.items() if value is not None}

    def _value(self, variable: str) -> str | UnusableSecret | None:
        path = self._given(variable + SUFFIX)
        if not path:
            return None
        if self._given(variable):
            return UnusableSecret(f"is set, and {variable}{SUFFIX} too: unset one of the two")
        try:
            return read_secret(path)
        except SecretUnreadable as error:
            # Show only an absolute path. Any other text may be the secret itself, given in the
            # wrong variable.
            shown = f" ({path})" if os.path.isabs(path) else ""
            return UnusableSecret(f"the file of {variable}{SUFFIX}{shown} {error}")

    def _given(self, variable: str) -> str:
        """Return the value of a variable without surrounding white space; empty if not set."""
        for source in self._sources:
            if (value := source.get(variable.lower())) is not None:
                return value.strip()
        return ""
