"""The names that the documents use: settings and metrics exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from states import Event, Reason
from tests.support.documents.markdown import documents
from tests.support.paths import REPOSITORY
from worker.config.settings import Settings, variable_of
from worker.env.secret_files import SUFFIX, secret_variables
from worker.faults import points
from worker.telemetry.catalog import FIGURES

if TYPE_CHECKING:
    from tests.support.documents.markdown import Document

#: A variable, but not an attribute such as `Event.INTERVIEW_OVER`.
VARIABLE: Final = re.compile(r"(?<![\w.])INTERVIEW_[A-Z0-9_]*")
LOWER_CASE: Final = re.compile(r"\binterview_[a-z0-9_]+")
#: Describes versions, so it names what was removed.
CHANGELOG: Final = "CHANGELOG.md"
HISTOGRAM_SERIES: Final = ("_bucket", "_sum", "_count")


def found_in(document: Document, pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each match in a document, fences included."""
    for number, line in enumerate(document.text.splitlines(), start=1):
        for found in pattern.finditer(line):
            yield number, found[0]


def is_known(name: str, known: frozenset[str]) -> bool:
    """Return whether a name is known. A name that ends with _ stands for all that begin so."""
    if name.endswith("_"):
        return any(each.startswith(name) for each in known)
    return name in known


@cache
def variables() -> frozenset[str]:
    """Return the variables of the settings, and the constants of the code that begin alike."""
    constants = (*Event.__members__, *Reason.__members__, *vars(points))
    files = (variable + SUFFIX for variable in secret_variables(Settings).values())
    return frozenset((*map(variable_of, Settings.model_fields), *files, *constants))


@cache
def metrics() -> frozenset[str]:
    """Return the names of all series of the worker."""
    series = (
        f"{figure.shown_as}{end}"
        for figure in FIGURES
        if figure.kind == "histogram"
        for end in HISTOGRAM_SERIES
    )
    return frozenset((*series, *(figure.shown_as for figure in FIGURES)))


@cache
def other_names() -> frozenset[str]:
    """Return words that begin as metrics do: events, keys and functions, and modules of tests."""
    sources = [
        REPOSITORY / "pyproject.toml",
        *(
            path
            for folder in ("states", "worker", "examples")
            for path in (REPOSITORY / folder).rglob("*")
            if path.suffix in (".py", ".sql") and path.parent.name != "telemetry"
        ),
    ]
    texts = (path.read_text(encoding="utf-8") for path in sources)
    modules = (path.stem for path in (REPOSITORY / "tests").rglob("*.py"))
    return frozenset((*modules, *(name for text in texts for name in LOWER_CASE.findall(text))))


def test_every_variable_is_a_setting() -> None:
    unknown = [
        f"{document.at(line)}: there is no setting {name}"
        for document in documents()
        if document.name != CHANGELOG
        for line, name in found_in(document, VARIABLE)
        if not is_known(name, variables())
    ]
    assert not unknown, "\n".join(unknown)


def test_every_metric_is_in_the_catalog() -> None:
    unknown = [
        f"{document.at(line)}: there is no metric {name}"
        for document in documents()
        if document.name != CHANGELOG
        for line, name in found_in(document, LOWER_CASE)
        if not is_known(name, metrics()) and not is_known(name, other_names())
    ]
    assert not unknown, "\n".join(unknown)


def test_a_name_that_ends_with_an_underscore_stands_for_a_group() -> None:
    assert is_known("INTERVIEW_BUDGET_", variables())
    assert not is_known("INTERVIEW_BUDGETS_", variables())


def test_the_series_of_a_histogram_are_metrics() -> None:
    assert {"interview_start_seconds", "interview_start_seconds_sum"} <= metrics()
    assert "interview_start_seconds_total" not in metrics()
