"""Run the worker's commands as subprocesses without blocking the test's event loop."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.environment import environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The only line on standard error. Raises ValueError if there is not exactly one."""
        (line,) = self.err.splitlines()
        return line


async def command(*arguments: str, settings: Mapping[str, str], folder: Path) -> Ended:
    """Run `python -m worker` to its end in `folder`, with only these worker settings."""
    ours = {"INTERVIEW_DATA_DIR": str(folder / "data"), "INTERVIEW_LOG_LEVEL": "ERROR"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *arguments),
        env=environment({**ours, **settings}),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())
