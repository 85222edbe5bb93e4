"""Clock that can be set back under running processes, as `date -s` does for a whole machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from tests.support.debian_programs import debian_program
from tests.support.folders import new_folder

_SOURCE: Final = Path(__file__).with_suffix(".c")
_HOUR_S: Final = 3600


class Clock:
    """The wall clock of all processes that were started with the prefix `inside`.

    The monotonic clock is not affected, and neither are the times of files, which the kernel sets.
    Use it as a context manager. Skips the test if there is no C compiler (with CI=true it fails).
    """

    def __init__(self) -> None:
        self._compiler = debian_program("gcc", package="build-essential")
        self._folder = new_folder("interview-clock-")
        self._library = self._folder / "wrong_clock.so"
        self._offset = self._folder / "offset"

    @property
    def inside(self) -> tuple[str, ...]:
        """The command prefix that runs a program with this clock."""
        return "/usr/bin/env", f"LD_PRELOAD={self._library}"

    def set_back(self, *, hours: int) -> None:
        """Set the clock back, at once for all of its processes."""
        self._set(-hours * _HOUR_S)

    def __enter__(self) -> Self:
        self._folder.chmod(0o755)  # under root, PostgreSQL runs as another user
        self._set(0)
        # Compiled in, because PostgreSQL inherits LD_PRELOAD and no other variable of the test.
        offset = f'-DWRONG_CLOCK_OFFSET="{self._offset}"'
        words = "-shared", "-fPIC", "-O2", "-Wall", "-Werror", offset, "-o", self._library, _SOURCE
        subprocess.run([self._compiler, *words], check=True)
        for each in (self._library, self._offset):
            each.chmod(0o644)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _set(self, offset_s: int) -> None:
        # Write in place: running processes have the file mapped.
        with self._offset.open("r+b" if self._offset.exists() else "wb") as offset:
            offset.write(offset_s.to_bytes(8, sys.byteorder, signed=True))
