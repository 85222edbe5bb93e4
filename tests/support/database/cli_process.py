"""The worker's commands as processes of their own, while the test's event loop goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OURS = ("LIVEKIT_", "INTERVIEW_", "DATABASE_")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Its one line on standard error. Raises ValueError for more or fewer."""
        (line,) = self.err.splitlines()
        return line


async def command(*arguments: str, settings: Mapping[str, str], folder: Path) -> Ended:
    """Run `python -m worker` to its end in `folder`, with no other settings of the worker's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    ours = {"INTERVIEW_DATA_DIR": str(folder / "data"), "INTERVIEW_LOG_LEVEL": "ERROR"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *arguments),
        env={**inherited, **ours, **settings},
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())
