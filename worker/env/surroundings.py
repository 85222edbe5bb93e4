"""What this process may lack on a system: a home, a user name, a temporary folder, IPv4.

In a container, the user id is often not in `/etc/passwd`, HOME is not set, the root is read-only,
or the network has only IPv6. Each function provides a replacement if possible. A function that has
no replacement returns the problem, in one line that says what to do.
"""

from __future__ import annotations

import os
import pwd
import socket
import tempfile
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Longest path of the folder for temporary files, in bytes. multiprocessing binds a Unix socket
#: `/pymp-XXXXXXXX/listener-XXXXXXXX` in it, and the whole path has at most 107 bytes (unix(7)).
LONGEST_TEMP: Final = 107 - len("/pymp-XXXXXXXX/listener-XXXXXXXX")
#: Loopback addresses, the usual one first.
_LOOPBACK: Final = ("127.0.0.1", "::1")
#: Variables from which `getpass.getuser` takes a name before it looks the user id up.
_USER_VARIABLES: Final = ("LOGNAME", "USER", "LNAME", "USERNAME")


def user_name() -> str | None:
    """Return the name of this process's user; None if the user id has no name on this system."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None


def unknown_home(folder: Path) -> str | None:
    """Return the problem of a folder whose first part is still `~`; None for any other folder."""
    first = folder.parts[0] if folder.parts else ""
    if not first.startswith("~"):
        return None
    if first != "~":
        return f"{folder} is in a home folder that is not known: there is no user {first[1:]}"
    return (
        f"{folder} is in a home folder that is not known: HOME is not set, and user id "
        f"{os.geteuid()} has no home on this system"
    )


def ensure_home(spare: Path) -> None:
    """Set HOME to the folder `spare` if this process's home is not known.

    Libraries look for a cache and for password files in the home, and some libraries raise
    RuntimeError without a home. Child processes inherit HOME.
    """
    if not os.path.isabs(os.path.expanduser("~")):
        os.environ["HOME"] = str(spare.absolute())


def ensure_temp_folder(spare: Path) -> str | None:
    """Make sure that temporary files can be created; return the problem, or None.

    If no folder of the system can be written, as with a read-only root, the folder `spare` is made,
    and TMPDIR is set to this folder. Child processes inherit TMPDIR.
    """
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        folder = str(spare.absolute())
        try:
            spare.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            return (
                f"temporary files can be written nowhere, not even in {folder} "
                f"({error.strerror}): set TMPDIR to a folder that can be written"
            )
        os.environ["TMPDIR"] = folder
        tempfile.tempdir = None  # make `tempfile` read TMPDIR again
    if len(os.fsencode(os.path.abspath(folder))) > LONGEST_TEMP:
        return (
            f"the path of the folder for temporary files is too long for a socket ({folder}): set "
            f"TMPDIR to a folder with a path of at most {LONGEST_TEMP} bytes"
        )
    return None


def unnamed_database_user(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the problem of a database URL without a user; None if a user can be determined.

    For a URL without a user, the name of this process's user is used, so the user id needs a name.
    """
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
    except ValueError:
        return None  # the check of the URL reports the error
    named_elsewhere = ("PGUSER", "PGSERVICE", *_USER_VARIABLES)
    if parts.username or "user" in query or "service" in query or not url:
        return None
    if any(environment.get(name) for name in named_elsewhere) or user_name() is not None:
        return None
    return (
        f"DATABASE_URL names no user, and user id {os.geteuid()} has no name on this system: write "
        "the user into DATABASE_URL (postgresql://user@host/database)"
    )


def unnamed_cluster_owner(cluster: Path) -> str | None:
    """Return why the embedded PostgreSQL in the folder `cluster` cannot be created, or None.

    Only `initdb`, which creates the files, needs the name of the user who runs it. The PostgreSQL
    server runs without a user name.
    """
    if user_name() is not None or (cluster / "PG_VERSION").exists():
        return None
    return (
        f"user id {os.geteuid()} has no name on this system, which the embedded PostgreSQL needs "
        "when it creates its files: add the id to /etc/passwd, or set DATABASE_URL"
    )


def loopback_host() -> str:
    """Return a loopback address that this system has, preferably the IPv4 address."""
    for host in _LOOPBACK:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((host, 0))
        except OSError:
            continue
        return host
    return _LOOPBACK[0]
