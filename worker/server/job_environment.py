"""Keeps the secrets that no job needs out of the environment of the job processes.

A job process handles what strangers send. It inherits the environment of the forkserver, which
inherits that of the main process. So the main process removes the secrets from its own environment
before it makes a process; it has them in its settings.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from itertools import chain
from pathlib import Path
from typing import Final

from worker.config.http_address import DEFAULT_HOST
from worker.config.settings import variable_of

#: Secrets of the main process alone, by the names of their settings. A job gets the URL of its
#: database when it is launched (`job_database`).
_SETTINGS: Final = (
    "livekit_api_secret",
    "metadata_key",
    "metadata_old_keys",
    "http_token",
    "database_url",
    "database_job_url",
)
#: Secrets of livekit-agents and livekit-api that are no settings of this worker.
_OF_LIVEKIT: Final = ("LIVEKIT_TOKEN", "LIVEKIT_WORKER_TOKEN")
#: End of the name of a variable that names a file with the secret.
_FILE: Final = "_FILE"
#: Places of the begin and the end of the environment in /proc/self/stat, counted from the field
#: after the program's name (proc_pid_stat(5): fields 50 and 51).
_ENV_START, _ENV_END = 47, 48


def hidden_variables() -> frozenset[str]:
    """Return the names of the variables that job processes do not get, in upper case."""
    names = [*map(variable_of, _SETTINGS), *_OF_LIVEKIT]
    return frozenset(chain(names, (name + _FILE for name in names)))


def hide_secrets() -> None:
    """Remove the secrets of the main process from the environment of this process.

    The variables of each setting are empty afterwards, not absent, also that which names a file: a
    job process reads its settings from its environment, and those that are absent from the file of
    settings. The memory in which the secrets were when this process began is overwritten, because
    every process of the same user can read it in /proc/PID/environ.

    livekit-agents puts the API secret into the environment when it starts, so this function is
    called before each process is made.
    """
    hidden = hidden_variables()
    found = [name for name in os.environ if name.upper() in hidden and os.environ[name]]
    for name in found:
        if name.upper().removesuffix(_FILE) in _OF_LIVEKIT or name != name.upper():
            del os.environ[name]
    variables = [variable_of(setting) for setting in _SETTINGS]
    replaced = {name + end: "" for name in variables for end in ("", _FILE)}
    # Without its token, the address of the HTTP server may be invalid. Jobs have no HTTP server.
    replaced[variable_of("http_host")] = DEFAULT_HOST
    for name, value in replaced.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if found:
        _overwrite(hidden)


def _overwrite(names: Collection[str]) -> None:
    """Overwrite the values of these variables in the memory that /proc/PID/environ shows.

    Does nothing where the kernel does not tell where this memory is. C's `environ` no longer refers
    to it: `os.environ` has replaced these variables.
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
