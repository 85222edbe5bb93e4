"""The two projects of this repository, interview-worker and interview-lifecycle.

Everything is read from their two pyproject.toml, so that the lock files, the licences and the
bill of materials follow the same declarations.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

WORKER: Final = "interview-worker"
LIFECYCLE: Final = "interview-lifecycle"
#: The folder of each project, below the repository.
FOLDERS: Final = {WORKER: ".", LIFECYCLE: "states"}


@dataclass(frozen=True, kw_only=True)
class Project:
    """What one pyproject.toml declares."""

    name: str
    version: str
    dependencies: tuple[Requirement, ...]
    #: The requirements of each extra (`[project.optional-dependencies]`).
    extras: Mapping[str, tuple[Requirement, ...]]
    #: The requirements of each group (`[dependency-groups]`), which no installation includes.
    groups: Mapping[str, tuple[Requirement, ...]]
    #: What builds the project (`[build-system]`).
    build: tuple[Requirement, ...]


def read_project(repository: Path, name: str) -> Project:
    """Return the project of this name. Raises KeyError if the repository has no such project."""
    text = (repository / FOLDERS[name] / "pyproject.toml").read_text(encoding="utf-8")
    read: dict[str, Any] = tomllib.loads(text)
    project = read["project"]
    return Project(
        name=project["name"],
        version=project["version"],
        dependencies=_parsed(project["dependencies"]),
        extras=_each(project.get("optional-dependencies", {})),
        groups=_each(read.get("dependency-groups", {})),
        build=_parsed(read["build-system"]["requires"]),
    )


def third_party(repository: Path, *extras: str) -> list[Requirement]:
    """Return what interview-worker with these extras requires of other projects.

    A requirement of the repository's own projects is replaced by what that project requires.
    """
    own = {name: read_project(repository, name) for name in FOLDERS}
    found: dict[str, Requirement] = {}
    waiting = [(WORKER, extra) for extra in ("", *extras)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        for asked in own[name].extras[extra] if extra else own[name].dependencies:
            if (ours := canonicalize_name(asked.name)) in own:
                waiting += [(ours, each) for each in ("", *asked.extras)]
            else:
                found[str(asked)] = asked
    return [found[text] for text in sorted(found)]


def build_requirements(repository: Path) -> list[Requirement]:
    """Return what builds the two projects."""
    asked = [each for name in FOLDERS for each in read_project(repository, name).build]
    return list({str(each): each for each in asked}.values())


def _parsed(texts: Iterable[str]) -> tuple[Requirement, ...]:
    return tuple(Requirement(text) for text in texts)


def _each(lists: Mapping[str, Iterable[str]]) -> dict[str, tuple[Requirement, ...]]:
    return {name: _parsed(texts) for name, texts in lists.items()}
