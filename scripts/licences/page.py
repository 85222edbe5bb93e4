"""docs/reference/licences.md: the licences of all packages that an installation brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.licences.installed import installed_with, runtime_requirements
from scripts.licences.judged import ACCEPTED_FOR_A_REASON, GPL_BY_NAME, LIBRARIES
from scripts.markdown import table

if TYPE_CHECKING:
    from pathlib import Path

PATH = "docs/reference/licences.md"

_HEAD = """# Licences

What `pip install interview-worker` brings, on Linux x86_64, in the versions that
[constraints.txt](../../constraints.txt) pins: made by `make diagrams` from the metadata of what is
installed. None of it is in interview-worker's own wheel; [NOTICE](../../NOTICE) has what is, and
the models. interview-worker itself is [Apache-2.0](../../LICENSE).
"""


def licences_page(repository: Path) -> str:
    """Return the page, generated from the packages installed here.

    Raises:
        importlib.metadata.PackageNotFoundError: a requirement is not installed.
    """
    brought = installed_with(runtime_requirements(repository))
    distributions = (
        (each.name, each.version, each.licence[0] or "unknown", each.licence[1]) for each in brought
    )
    libraries = (
        (each.name, f"`{library}`", *LIBRARIES.get(each.name, {}).get(library, ("unknown", "")))
        for each in brought
        for library in each.libraries
    )
    gpl = ((f"{name}: `{part}`", meaning) for (name, part), meaning in GPL_BY_NAME.items())
    others = ((f"`{name}`", reason) for name, reason in ACCEPTED_FOR_A_REASON.items())
    return "\n".join(
        (
            _HEAD,
            "## Distributions\n",
            table(("distribution", "version", "licence", "read in"), distributions),
            "## Native libraries in their wheels\n",
            "Those that have a name of their own; what is linked into them is in NOTICE as far as"
            " the wheels tell.\n",
            table(("in", "library", "licence", "read in"), libraries),
            "## The GPL in them\n",
            "Each is in the wheel of another project; interview-worker distributes none of it. To"
            " pass a whole installation on, as in a container image, is to pass these on too, and"
            " x264, x265 and libjbig under the GPL. A new one fails"
            " `tests/unit/scripts/test_licences.py`.\n",
            table(("where", "what it means"), gpl),
            "## Accepted for a reason\n",
            table(("licence", "reason"), others).rstrip("\n"),
            "",
        )
    )
