"""Check that other users of the machine cannot read journals and recorded speech."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worker.doctor.context import run_in_daemon_thread
from worker.doctor.finding import Finding, fine, warning

if TYPE_CHECKING:
    from worker.doctor.context import CheckContext

#: Folders with people's words, below the data folder.
_FOLDERS: Final = ("journals", "journals/shipped", "journals/damaged", "speech")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


async def check_private(visit: CheckContext) -> Finding:
    """Check the permissions of the folders with journals and speech.

    The worker creates these folders with mode 0700, but earlier versions created them with the mode
    of the umask.
    """
    data_dir = visit.settings.data_dir
    found = await run_in_daemon_thread(lambda: open_folders(data_dir))
    if not found:
        return fine(f"only its owner can read what is in {data_dir}")
    return warning(
        f"other users may enter {', '.join(map(str, found))}",
        f"chmod -R go= {data_dir}",
        folders=[str(folder) for folder in found],
    )


def open_folders(data_dir: Path) -> list[Path]:
    """Return the folders with journals or speech that other users may enter.

    Blocks while it reads the permissions.

    If other users may not enter the data folder, they cannot enter anything below it.
    """
    if not _is_open(data_dir):
        return []
    return [folder for name in _FOLDERS if _is_open(folder := data_dir / name)]


def _is_open(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & _OTHERS)
    except OSError:
        return False
