"""Writes the software bill of materials (SBOM) of an installation, in CycloneDX 1.6 as JSON.

It lists interview-worker, interview-lifecycle and each pin of requirements/runtime.lock with the
hashes of its files. The licences, and what requires what, come from the metadata of the installed
packages. A package that is locked for another platform only is listed without both.

`python -m scripts.sbom FOLDER` writes FOLDER/interview-worker-VERSION.cdx.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from scripts.licences.installed import dependency_graph, installed_with, runtime_requirements
from scripts.lock import RUNTIME
from scripts.lockfile import read_lock
from scripts.projects import LIFECYCLE, WORKER, read_project

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scripts.lockfile import Pin
    from scripts.projects import Project

#: The property that names the platforms and Python versions for which a package is installed.
MARKER: Final = "interview-worker:marker"


def bill_of_materials(repository: Path) -> str:
    """Return the bill of materials as JSON, from the lock file and the installed packages.

    Raises:
        importlib.metadata.PackageNotFoundError: a requirement is not installed.
    """
    worker, lifecycle = (read_project(repository, name) for name in (WORKER, LIFECYCLE))
    required = runtime_requirements(repository)
    licences = {(one.name, one.version): one.licence[0] for one in installed_with(required)}
    root = _own(worker, ComponentType.APPLICATION)
    parts = {LIFECYCLE: [_own(lifecycle, ComponentType.LIBRARY)]}
    for pin in read_lock(repository / RUNTIME.path):
        component = _locked(pin, licences.get((pin.name, pin.version)))
        # A package has several versions where platforms or versions of Python need different ones.
        parts.setdefault(pin.name, []).append(component)
    bom = Bom(components=[each for versions in parts.values() for each in versions])
    bom.metadata.component = root
    needed = {
        **dependency_graph(required),
        LIFECYCLE: _names(lifecycle, *_asked_extras(worker)),
    }
    bom.register_dependency(root, _parts(parts, _names(worker)))
    for name, names in needed.items():
        for component in parts.get(name, ()):
            bom.register_dependency(component, _parts(parts, names))
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _own(project: Project, kind: ComponentType) -> Component:
    return Component(
        name=project.name,
        version=project.version,
        type=kind,
        bom_ref=project.name,
        purl=PackageURL("pypi", name=project.name, version=project.version),
        licenses=[LicenseExpression("Apache-2.0")],
    )


def _locked(pin: Pin, licence: str | None) -> Component:
    marker = pin.requirement.marker
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{pin.name}@{pin.version}",
        purl=PackageURL("pypi", name=pin.name, version=pin.version),
        # One for each file of the version: the wheels of all platforms.
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in pin.hashes],
        licenses=[LicenseExpression(licence)] if licence else [],
        properties=[Property(name=MARKER, value=str(marker))] if marker else [],
    )


def _asked_extras(worker: Project) -> set[str]:
    """Return the extras of interview-lifecycle that interview-worker asks for."""
    asked = (each for each in worker.dependencies if canonicalize_name(each.name) == LIFECYCLE)
    return {extra for each in asked for extra in each.extras}


def _names(project: Project, *extras: str) -> set[str]:
    asked = [*project.dependencies, *(each for extra in extras for each in project.extras[extra])]
    return {canonicalize_name(each.name) for each in asked}


def _parts(parts: dict[str, list[Component]], names: Iterable[str]) -> list[Component]:
    return [component for name in sorted(names) for component in parts.get(name, ())]


def main() -> None:
    """Write the bill of materials of this version into a folder."""
    parser = argparse.ArgumentParser(prog="python -m scripts.sbom", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the folder, for example dist")
    folder: Path = parser.parse_args().folder
    repository = Path(__file__).parents[1]
    version = read_project(repository, WORKER).version
    path = folder / f"{WORKER}-{version}.cdx.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(bill_of_materials(repository), encoding="utf-8", newline="\n")
    print(path)


if __name__ == "__main__":
    main()
