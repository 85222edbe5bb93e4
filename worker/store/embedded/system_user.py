"""Run root's embedded PostgreSQL as a system user; root's folders keep their permissions.

PostgreSQL refuses to run as root. The system user usually has no access to root's data folder, nor
to a virtualenv in root's home. Therefore:

- Root starts the process with the cluster as working directory. The process then accesses the
  cluster as `/proc/self/cwd`, which needs no access to the parent folders (proc(5)).
- The programs are copied to `/var/cache` if the system user may not run the originals. The copy
  can be deleted at any time (hier(7)).
- The sockets are in `/run` or `/tmp`, in a folder that belongs to the system user.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from worker.store.embedded.layout import PostgresDidNotStart

if TYPE_CHECKING:
    from worker.store.embedded.layout import Layout

#: Path under which every process finds its own working directory.
WORKING_DIR: Final = Path("/proc/self/cwd")

_SYSTEM_USER = "embedded_postgres"
_COPIES = Path("/var/cache/interview-worker")


def known_system_user() -> pwd.struct_passwd | None:
    """Return the system user that runs root's PostgreSQL; None if it was not created yet."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_SYSTEM_USER)
    return None


def system_user() -> pwd.struct_passwd:
    """Return the system user that runs root's PostgreSQL; create the user if it does not exist.

    If the user cannot be created, return the user `nobody`.
    """
    if (user := known_system_user()) is not None:
        return user
    make = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(make, check=True, stdout=sys.stderr)  # noqa: S603 - fixed arguments
        return pwd.getpwnam(_SYSTEM_USER)
    return pwd.getpwnam("nobody")


def as_user(user: pwd.struct_passwd) -> dict[str, Any]:
    """Return `subprocess` arguments that start a process as `user`, without root's groups."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def programs_for(
    user: pwd.struct_passwd, layout: Layout, bin_dir: Path, *, copies: Path = _COPIES
) -> Path:
    """Return a folder of programs that `user` may run: `bin_dir`, or a copy of `bin_dir`.

    The copy (41 MB) is made once for each build of PostgreSQL, and only root can write to the copy.
    Raises `PostgresDidNotStart` if the user can run neither the original nor the copy.
    """
    if _runs(user, bin_dir):
        return bin_dir
    # Copy the wheel's packages side by side, as in site-packages, because the programs find their
    # libraries by a path from one package to the other.
    site = bin_dir.parents[2]
    build = hashlib.sha256((bin_dir / "postgres").read_bytes()).hexdigest()[:16]
    copy = copies / f"postgresql-{build}"
    copied_bin_dir = copy / bin_dir.relative_to(site)
    problem = "that user cannot run the copy"
    try:
        if not copy.exists():
            _copy([bin_dir.parent, *site.glob("embedded_postgres.libs")], copy, site)
    except OSError as error:
        problem = f"{copies} cannot be written ({error.strerror})"
    if _runs(user, copied_bin_dir):
        return copied_bin_dir
    raise PostgresDidNotStart(
        layout.data_dir,
        f"user {user.pw_name} has no access to {bin_dir}, and {problem}: do not run as "
        "root, or set DATABASE_URL",
    )


def _runs(user: pwd.struct_passwd, bin_dir: Path) -> bool:
    """Return whether `user` can run the programs, including the libraries that they load."""
    try:
        for program in ("initdb", "postgres"):
            subprocess.run(  # noqa: S603 - a program of our own wheel
                [bin_dir / program, "--version"],
                check=True,
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **as_user(user),
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copy(folders: list[Path], copy: Path, site: Path) -> None:
    """Copy to a temporary folder and rename it, so that no process finds a partial copy."""
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with tempfile.TemporaryDirectory(dir=copy.parent) as aside:
        whole = Path(aside) / "whole"
        for folder in folders:
            shutil.copytree(folder, whole / folder.relative_to(site), symlinks=True)
        for path in (whole, *whole.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        # Open the folder to other users, because the keeper's umask denies them access to new
        # folders.
        copy.parent.chmod(0o755)
        try:
            whole.rename(copy)
        except OSError:
            # Another keeper may have made the copy first.
            if not copy.exists():
                raise
