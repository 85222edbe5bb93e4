"""Checks of who owns the embedded PostgreSQL's folders, sockets and processes, before their use.

Any user of the machine may create a folder or a socket in a folder such as `/tmp`. A process that
did not check the owner would read and write the database of whoever was there first.
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
    """Return the user ids that may own the server's files: this user and, for root, its server's.

    Root's server runs as a system user, or as `nobody` where no system user could be made.
    """
    if os.geteuid() != 0:
        return frozenset({os.geteuid()})
    user = known_system_user() or pwd.getpwnam(_NOBODY)
    return frozenset({0, user.pw_uid})


def check_run_dir(layout: Layout) -> bool:
    """Check the folder of the sockets; return False if there is none yet.

    A folder of this user that others may enter is closed to them. Raises DataFolderUnusable if the
    folder belongs to another user, or is no folder.
    """
    try:
        # Open the folder, and check what is open: whoever may write to the folder above could
        # exchange a folder between two uses of its path.
        folder = os.open(layout.run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:  # a link, a file, or a folder that another user has closed
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

    Raises DataFolderUnusable if it is not. Only the kernel writes the credentials of a peer.
    """
    ucred = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, user, _ = _UCRED.unpack(ucred)
    if user != os.geteuid():
        raise _foreign(layout, "has a socket of another user")


def check_server_socket(layout: Layout) -> None:
    """Check that PostgreSQL's socket is a socket, and belongs to the user that runs the server.

    Raises DataFolderUnusable otherwise. While PostgreSQL restarts, there is no socket.
    """
    try:
        found = layout.server_socket.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid not in server_owners():
        raise _foreign(layout, "has a socket of another user")


def check_cluster(layout: Layout) -> None:
    """Check that the data belongs to the user that runs the server, unless there is none yet.

    Raises DataFolderUnusable if it belongs to another user.
    """
    try:
        found = layout.cluster.stat()
    except OSError:  # there is none yet, or the next step reports the problem
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in server_owners():
        raise DataFolderUnusable(
            layout.data_dir,
            f"{layout.cluster} belongs to another user: run as its owner, or choose another folder",
        )


def _foreign(layout: Layout, problem: str) -> DataFolderUnusable:
    return DataFolderUnusable(
        layout.data_dir, f"{layout.run_dir} {problem}: remove it, and find out who made it"
    )
