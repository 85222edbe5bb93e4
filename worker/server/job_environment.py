"""Keeps the secrets that no job needs out of the environment of the job processes.

A job process handles data from strangers, and inherits the environment of the main process through
the forkserver. Therefore the main process removes the secrets, which it keeps in its settings, from
its own environment before it makes a process.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from worker.config.http_address import DEFAULT_HOST
from worker.config.settings import variable_of
from worker.env.secret_files import SUFFIX

#: Names of the settings with secrets that only the main process needs. A job gets the URL of its
#: database when it is launched (`job_database`).
_SETTINGS: Final = (
    "livekit_api_secret",
    "metadata_key",
    "metadata_old_keys",
    "http_token",
    "database_url",
    "database_job_url",
)
#: Secrets of livekit-agents, livekit-api and asyncpg that are no settings of this worker. These
#: variables are removed and not emptied, because an empty PGPASSWORD would hide the file of
#: passwords.
_OF_LIBRARIES: Final = ("LIVEKIT_TOKEN", "LIVEKIT_WORKER_TOKEN", "PGPASSWORD")
#: Indexes of the addresses at which the environment begins and ends in the fields of
#: /proc/self/stat after the program's name (proc_pid_stat(5): fields 50 and 51).
_ENV_START, _ENV_END = 47, 48


def hidden_variables() -> frozenset[str]:
    """Return the names of the variables that job processes do not get, in upper case."""
    return frozenset((*_emptied(), *_OF_LIBRARIES))


def _emptied() -> list[str]:
    names = [variable_of(setting) for setting in _SETTINGS]
    return [*names, *(name + SUFFIX for name in names)]


def hide_secrets() -> None:
    """Remove the secrets of the main process from the environment of this process.

    The variables of each secret, NAME and NAME_FILE, are empty afterwards and not absent, because
    in place of an absent variable a job process would use the value in the settings file. The
    memory that held the environment when this process began is overwritten too, because every
    process of the same user can read this memory in /proc/PID/environ.

    The function is called before each process is made, because livekit-agents puts the API secret
    into the environment when the server starts.
    """
    hidden = hidden_variables()
    found = [name for name in os.environ if name.upper() in hidden and os.environ[name]]
    for name in found:
        if name.upper() in _OF_LIBRARIES or name != name.upper():
            del os.environ[name]
    replaced = dict.fromkeys(_emptied(), "")
    # Remove the address of the HTTP server too, which would be invalid without the token. Jobs have
    # no HTTP server.
    replaced[variable_of("http_host")] = DEFAULT_HOST
    for name, value in replaced.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if found:
        _overwrite(hidden)


def _overwrite(names: Collection[str]) -> None:
    """Overwrite the values of these variables in the memory that /proc/PID/environ shows.

    Does nothing if the address of this memory cannot be read from /proc. C's `environ` no longer
    refers to the memory, because `os.environ` has replaced these variables.
    """
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        numbers = fields.rpartition(")")[2].split()
        start, end = int(numbers[_ENV_START]), int(numbers[_ENV_END])
    except (OSError, ValueError, IndexError):
        return
    if not 0 < start < end:
        return
    address = start
    for entry in ctypes.string_at(start, end - start).split(b"\0"):
        name, _, value = entry.partition(b"=")
        if value and name.decode(errors="replace").upper() in names:
            ctypes.memset(address + len(name) + 1, 0, len(value))
        address += len(entry) + 1
