"""Separate disk for a worker's journals that a test can make fail, so it becomes read-only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Self

import pytest

#: About the minimum size of ext4, with space for a few journals.
_BYTES = 16 << 20


class FailingDisk:
    """An ext4 filesystem in a file, mounted with `errors=remount-ro` as Debian mounts a root.

    `fail` uses the error path of ext4. So files that are open for writing fail as well; a plain
    remount would be refused while files are open for writing. Use it as a context manager.

    Skips the test if the disk cannot be created. That needs root, a loop device and a writable
    /sys.

    Args:
        mount_point: An empty folder.
    """

    def __init__(self, mount_point: Path) -> None:
        self._mount_point = mount_point
        self._image = mount_point.with_name(f"{mount_point.name}.img")

    def fail(self) -> None:
        """Make the kernel detect an error on the disk, which is read-only from then on."""
        self._trigger.write_text("a test")

    def __enter__(self) -> Self:
        with self._image.open("wb") as image:
            image.truncate(_BYTES)
        try:
            _run("mkfs.ext4", "-q", str(self._image))
            options = "loop,errors=remount-ro"
            _run("mount", "-o", options, str(self._image), str(self._mount_point))
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no disk can be mounted here, which takes root: {error}")
        if not os.access(self._trigger, os.W_OK):
            self.__exit__()
            pytest.skip(f"no disk can be made to fail here: {self._trigger} cannot be written")
        return self

    @property
    def _trigger(self) -> Path:
        device = _run("findmnt", "--noheadings", "--output", "SOURCE", str(self._mount_point))
        return Path("/sys/fs/ext4") / Path(device.strip()).name / "trigger_fs_error"

    def __exit__(self, *_: object) -> None:
        # Lazy: a process that is being killed may keep the disk busy for a moment.
        _run("umount", "--lazy", str(self._mount_point))


def _run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
