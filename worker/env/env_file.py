"""The file of settings, such as `.env`: it is read only if INTERVIEW_ENV_FILE names it.

The option `--env-file` of the command line sets INTERVIEW_ENV_FILE. A file in the working folder is
read only if it is named, because a command may be run in a folder that someone else has filled, and
a setting in such a file could send keys and interviews to another server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from worker.env.shown import on_one_line

#: Variable with the path of the file of settings. Only the environment can set this variable.
VARIABLE: Final = "INTERVIEW_ENV_FILE"
#: Encoding of the file of settings. It skips a byte order mark at the beginning, which some editors
#: write.
ENCODING: Final = "utf-8-sig"
#: Name of the file that versions up to 0.1.0 read without being asked.
USUAL: Final = ".env"


class EnvFileInvalid(Exception):
    """Raised when INTERVIEW_ENV_FILE names no readable file of text. The message is one line."""


def chosen_file() -> Path | None:
    """Return the file that INTERVIEW_ENV_FILE names; None if the variable is empty or not set."""
    named = [value for name, value in os.environ.items() if name.upper() == VARIABLE]
    return Path(os.path.expanduser(named[-1])) if named and named[-1].strip() else None


def existing_file() -> Path | None:
    """Return the chosen file; None if no file is chosen.

    Raises EnvFileInvalid if the chosen file does not exist, and OSError if the file cannot be
    looked up.
    """
    path = chosen_file()
    if path is not None and not path.is_file():
        problem = "is not a file" if path.exists() else "does not exist"
        raise EnvFileInvalid(f"{VARIABLE}: {on_one_line(str(path))} {problem}")
    return path


def is_passed_over() -> bool:
    """Return whether the working folder has a file `.env` that is not read."""
    return chosen_file() is None and os.path.exists(USUAL)


def file_variables() -> Mapping[str, str | None]:
    """Return the variables of the chosen file. A name without "=" has the value None.

    The result is empty if no file is chosen. The result is also empty if the file is missing or not
    UTF-8, because reading the settings reports both problems. Raises OSError if the file cannot be
    read.
    """
    path = chosen_file()
    if path is None:
        return {}
    from dotenv import dotenv_values  # takes 20 ms, so not at the top

    try:
        return dotenv_values(path, encoding=ENCODING)
    except UnicodeDecodeError:
        return {}
