"""The packages installed with interview-worker, and the licence statements in their metadata."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.licences.expressions import expression_of
from scripts.licences.judged import READ_BY_HAND
from scripts.projects import third_party

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LIBRARY = re.compile(r"lib[^/]*\.so(\.|$)")
_HASH = re.compile(r"-[0-9a-f]{8}(?=[.-])")
_LICENCE_FILE = re.compile(
    r"(^|/)(licen[cs]e|copying|notice|third)[^/]*$|/licenses/", re.IGNORECASE
)


@dataclass(frozen=True)
class Installed:
    """One installed distribution."""

    name: str
    _found: metadata.Distribution

    @property
    def version(self) -> str:
        """The installed version."""
        return self._found.version

    @cached_property
    def stated(self) -> dict[str, str]:
        """The licence statements in the metadata, by field. The most reliable field comes first."""
        fields = self._found.metadata
        said = {name: fields[name] for name in ("License-Expression", "License") if name in fields}
        classifiers = [c for c in fields.get_all("Classifier", []) if c.startswith("License ::")]
        if classifiers:
            said["Classifier"] = "; ".join(each.rpartition(" :: ")[2] for each in classifiers)
        # Skip a field that contains the whole text of a licence, which does not fit in a table.
        return {where: text for where, text in said.items() if "\n" not in text.strip()}

    @cached_property
    def licence(self) -> tuple[str | None, str]:
        """The SPDX expression (None if unknown), and the place where it was read."""
        for where, text in self.stated.items():
            if (expression := expression_of(text)) is not None:
                return expression, where
        return READ_BY_HAND.get(self.name, (None, "nowhere"))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files of the distribution, from its RECORD."""
        record = self._found.read_text("RECORD") or ""
        return tuple(line.rsplit(",", 2)[0].strip('"') for line in record.splitlines())

    @cached_property
    def libraries(self) -> tuple[str, ...]:
        """The names of the native libraries in the wheel, without the hashes that bundling adds."""
        names = (file.rpartition("/")[2] for file in self.files)
        return tuple(sorted({_HASH.sub("", n).split(".so")[0] for n in names if _LIBRARY.match(n)}))

    def components(self) -> Iterator[tuple[str, str]]:
        """Yield the name and licence of each component that has a licence in the wheel's SBOMs."""
        for text in self._texts(re.compile(r"/sboms/[^/]+\.json$")):
            for component in json.loads(text).get("components", ()):
                for entry in component.get("licenses", ()):
                    yield component["name"], _stated_in(entry)

    def licence_texts(self) -> Iterator[str]:
        """Yield the texts of the licence and notice files in the wheel."""
        yield from self._texts(_LICENCE_FILE)

    def _texts(self, wanted: re.Pattern[str]) -> Iterator[str]:
        for file in self.files:
            if wanted.search(file) and not file.endswith((".py", ".pyc")):
                path = Path(str(self._found.locate_file(file)))
                yield path.read_text(encoding="utf-8", errors="replace")


def _stated_in(entry: dict[str, Any]) -> str:
    licence = entry.get("license", {})
    return str(entry.get("expression") or licence.get("id") or licence.get("name") or "")


def runtime_requirements(repository: Path) -> list[str]:
    """Return what interview-worker requires of other projects at run time."""
    return [str(each) for each in third_party(repository)]


def installed_with(requirements: Iterable[str]) -> list[Installed]:
    """Return the installed distributions of these requirements, including transitive ones.

    Raises:
        importlib.metadata.PackageNotFoundError: a required distribution is not installed.
    """
    found, _ = _walk(requirements)
    return [found[name] for name in sorted(found)]


def dependency_graph(requirements: Iterable[str]) -> dict[str, set[str]]:
    """Return the names of what each of the installed distributions requires on this machine.

    Raises:
        importlib.metadata.PackageNotFoundError: a required distribution is not installed.
    """
    _, graph = _walk(requirements)
    return graph


def _walk(requirements: Iterable[str]) -> tuple[dict[str, Installed], dict[str, set[str]]]:
    """Return the installed distributions by name, and the names that each of them requires."""
    extras: dict[str, set[str]] = {}
    found: dict[str, Installed] = {}
    graph: dict[str, set[str]] = {}
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        asked = waiting.pop()
        if asked.marker and not asked.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(asked.name)
        known = extras.setdefault(name, set())
        new = {"", *asked.extras} - known
        known |= new
        if new:
            one = metadata.distribution(name)
            found[name] = Installed(name, one)
            wanted = [r for text in one.requires or () for r in _wanted(text, new)]
            graph.setdefault(name, set()).update(canonicalize_name(r.name) for r in wanted)
            waiting += wanted
    return found, graph


def _wanted(text: str, extras: set[str]) -> list[Requirement]:
    """Return the requirement without its marker; empty if its marker holds for no extra."""
    asked = Requirement(text)
    if asked.marker and not any(asked.marker.evaluate({"extra": extra}) for extra in extras):
        return []
    asked.marker = None
    return [asked]
