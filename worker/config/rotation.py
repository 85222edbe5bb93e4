"""Read secrets from their files again while a worker runs, so that a rotation needs no restart.

The files are read every few seconds instead of being watched: a mounted secret is replaced by a
symbolic link to another folder, and a network file system reports no changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from pydantic import SecretStr

from worker.aio.threads import in_thread
from worker.config.settings import Settings, variable_of
from worker.env.group import SettingsInvalid
from worker.env.secret_files import (
    SecretUnreadable,
    read_secret,
    secret_files,
    secret_variables,
)
from worker.store.url import DatabaseUrlInvalid, check_url

logger = logging.getLogger(__name__)

#: Seconds between two reads of the secrets' files. The kubelet renews a mounted secret once a
#: minute.
EVERY_S: Final = 5.0


class SecretRotation:
    """Reports the settings with the new values whenever a secret's file has changed.

    If a file cannot be read, or its value is invalid, the previous value stays in use, and the log
    names the variable.

    Args:
        settings: The settings that are in use.
        on_change: Called on the event loop with the settings after a change. Only the secrets from
            files differ from `settings`.
    """

    def __init__(self, settings: Settings, on_change: Callable[[Settings], None]) -> None:
        self._settings = settings
        self._on_change = on_change
        self._files = secret_files(Settings)
        #: Content of each file at the last read, by the setting's field; None if it was unreadable.
        self._seen: Mapping[str, str | None] = {}

    async def run(self) -> None:
        """Read the files every `EVERY_S` seconds until cancelled; without files, return at once."""
        while self._files:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Read the files once, and report a change since the last read."""
        seen = await in_thread("read-secrets", partial(_contents, self._files))
        if seen == self._seen:
            return
        self._seen = seen
        # Use the paths that were read at the start, because the variables that name the files may
        # have been removed to keep them from job processes. Pass the secrets without a file too:
        # their variables may have been removed as well, and all settings are validated together.
        values = {
            variable: self._value(name, seen.get(name))
            for name, variable in secret_variables(Settings).items()
        }
        try:
            fresh = await in_thread("read-settings", partial(_valid_settings, values))
        except SettingsInvalid as error:
            self._keep("; ".join(error.problems))
        except DatabaseUrlInvalid as error:
            self._keep(str(error))
        except OSError as error:
            self._keep(type(error).__name__)
        else:
            self._use(fresh)

    def _value(self, name: str, text: str | None) -> str:
        """Return the text that was read for a setting, or the value in use if `text` is None."""
        if text is not None:
            return text
        if name in self._files:
            self._keep(f"the file of {variable_of(name)} cannot be read")
        value = getattr(self._settings, name)
        return str(value.get_secret_value() if isinstance(value, SecretStr) else value)

    def _use(self, fresh: Settings) -> None:
        changed = {
            name: getattr(fresh, name)
            for name in self._files
            if getattr(fresh, name) != getattr(self._settings, name)
        }
        if not changed:
            return
        self._settings = self._settings.model_copy(update=changed)
        logger.info(
            "secrets were read again from their files, and are used from now on: %s",
            ", ".join(map(variable_of, sorted(changed))),
            extra={"event": "secrets_read_again"},
        )
        self._on_change(self._settings)

    def _keep(self, problem: str) -> None:
        logger.warning(
            "a secret could not be read from its file, so its previous value stays in use: %s",
            problem,
            extra={"event": "secret_not_read_again"},
        )


def _valid_settings(values: Mapping[str, str]) -> Settings:
    """Return the settings with the secrets in `values`. Blocks while it reads the environment.

    Raises SettingsInvalid, OSError, or, if the URL of a database is invalid, DatabaseUrlInvalid.
    """
    settings = Settings.load(**values)
    for secret in (settings.database_url, settings.database_job_url):
        if url := secret.get_secret_value():
            check_url(url)
    return settings


def _contents(files: Mapping[str, str]) -> dict[str, str | None]:
    """Return the content of each file, or None if it cannot be read. Blocks while it reads."""
    return {name: _content(path) for name, path in files.items()}


def _content(path: str) -> str | None:
    try:
        return read_secret(path)
    except SecretUnreadable:
        return None
