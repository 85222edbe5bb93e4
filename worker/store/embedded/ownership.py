"""Checks of the owner of the embedded PostgreSQL's folders, sockets and processes before use.

Any user of the machine may create a folder or a socket in a folder such as `/tmp`. A process that
did not check the owner might use a database that another user controls.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
import struct
from typing import TYPE_CHECKING, Final

from worker.store.embedded.layout import DataFolderUnusable
from worker.store.embedded.system_user import known_system_user

if TYPE_CHECKING:
    from worker.store.embedded.layout import Layout

#: Permission bits of the group and of all others.
_OTHERS: Final = 0o077
#: The structure `ucred` of SO_PEERCRED: process, user and group (unix(7)).
_UCRED: Final = struct.Struct("iII")
_NOBODY: Final = "nobody"


def server_owners() -> frozenset[int]:
    """Return the ids of the users that may own the server's files.

    The user of this process may own the files. If this process runs as root, the system user that
    runs root's server may also own the files, or `nobody` if no system user could be created.
    """
    if os.geteuid() != 0:
        return frozenset({os.geteuid()})
    user = known_system_user() or pwd.getpwnam(_NOBODY)
    return frozenset({0, user.pw_uid})


def check_run_dir(layout: Layout) -> bool:
    """Check the folder of the sockets; return False if the folder does not exist yet.

    If other users may enter the folder, its permissions are restricted. Raises DataFolderUnusable
    if the folder belongs to another user, or is no folder.
    """
    try:
        # Open the folder and check the open descriptor, because a user who may write to the parent
        # folder could replace the folder between two uses of its path.
        folder = os.open(layout.run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:  # the path is a link, a file, or a folder that this user may not open
        raise _foreign(layout, "is no folder of this user") from None
    try:
        found = os.fstat(folder)
        if found.st_uid not in server_owners():
            raise _foreign(layout, "belongs to another user")
        if found.st_mode & _OTHERS:
            os.fchmod(folder, 0o700)
    finally:
        os.close(folder)
    return True


def check_peer(layout: Layout, connection: socket.socket) -> None:
    """Check that the keeper at the other end of a socket is a process of this user.

    The kernel provides the user id of the other process. Raises DataFolderUnusable if that process
    belongs to another user.
    """
    ucred = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, user, _ = _UCRED.unpack(ucred)
    if user != os.geteuid():
        raise _foreign(layout, "has a socket of another user")


def check_server_socket(layout: Layout) -> None:
    """Check that PostgreSQL's socket is a socket, and belongs to the user that runs the server.

    Raises DataFolderUnusable if the path is another file or another user owns it. A missing socket
    is accepted, because PostgreSQL may be restarting.
    """
    try:
        found = layout.server_socket.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid not in server_owners():
        raise _foreign(layout, "has a socket of another user")


def check_cluster(layout: Layout) -> None:
    """Check that the data, if it exists, belongs to the user that runs the server.

    Raises DataFolderUnusable if the data belongs to another user.
    """
    try:
        found = layout.cluster.stat()
    except OSError:  # the data does not exist yet, or the next step reports the problem
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in server_owners():
        raise DataFolderUnusable(
            layout.data_dir,
            f"{layout.cluster} belongs to another user: run as its owner, or choose another folder",
        )


def _foreign(layout: Layout, problem: str) -> DataFolderUnusable:
    return DataFolderUnusable(
        layout.data_dir, f"{layout.run_dir} {problem}: find out which user made it, and remove it"
    )
