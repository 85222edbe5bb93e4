"""The fences of the documents: their languages, and whether YAML, plans and Python are valid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tests.support.documents.markdown import documents
from worker.interview.plan.plan import PlanError, load_plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.documents.markdown import Document, Fence

#: Languages of shell sessions that the tests would not check.
UNCHECKED: Final = ("bash", "console", "shell", "shell-session", "zsh")
#: Keys by which a plan is known among other YAML.
PLAN_KEYS: Final = frozenset(("opening", "questions", "closing"))


def fault_of(fence: Fence) -> str | None:
    """Return what is wrong with the info string of a fence; None if nothing is."""
    if not fence.info:
        return "names no language; output and drawings are `text`"
    if fence.language in UNCHECKED:
        return f"`{fence.language}` is not used: commands are `sh`, and output is `text`"
    notes = {"sh": r"not run: \S.*", "python": "fragment", "yaml": "fragment"}
    if fence.note and not re.fullmatch(notes.get(fence.language, ""), fence.note):
        expected = notes.get(fence.language, "nothing").replace(r"\S.*", "REASON")
        return f"after `{fence.language}` only `{expected}` may stand, not `{fence.note}`"
    return None


def yaml_problems(document: Document, fence: Fence, folder: Path) -> list[str]:
    """Return what is wrong with a YAML fence: as YAML, and as a plan if it is one."""
    try:
        contents: list[Any] = list(YAML(typ="safe", pure=True).load_all(fence.text))
    except YAMLError as error:
        return [f"{document.at(fence.line)}: {' '.join(str(error).split())}"]
    is_plan = any(isinstance(each, dict) and PLAN_KEYS & set(each) for each in contents)
    if not is_plan or fence.note == "fragment":
        return []
    file = folder / "plan.yaml"
    # The blank lines give the lines of a problem their numbers in the document.
    file.write_text("\n" * fence.line + fence.text, encoding="utf-8")
    try:
        load_plan(file)
    except PlanError as error:
        return [
            f"{document.at(problem.line or fence.line)}: {problem.message}"
            for problem in error.problems
        ]
    return []


def python_problem(document: Document, fence: Fence) -> str | None:
    """Return the syntax error of a Python fence; None if it compiles."""
    try:
        compile("\n" * fence.line + fence.text, document.name, "exec", dont_inherit=True)
    except (SyntaxError, SyntaxWarning) as error:
        line = getattr(error, "lineno", None) or fence.line
        return f"{document.at(line)}: {error}; mark a part of a program as `python fragment`"
    return None


def test_every_fence_has_a_language_and_a_note_that_the_tests_know() -> None:
    wrong = [
        f"{document.at(fence.line)}: the fence {fault}"
        for document in documents()
        for fence in document.fences
        if (fault := fault_of(fence))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_yaml_fence_is_yaml_and_every_plan_is_valid(tmp_path: Path) -> None:
    wrong = [
        problem
        for document in documents()
        for fence in document.fences
        if fence.language == "yaml"
        for problem in yaml_problems(document, fence, tmp_path)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_python_fence_compiles() -> None:
    wrong = [
        problem
        for document in documents()
        for fence in document.fences
        if fence.info == "python" and (problem := python_problem(document, fence))
    ]
    assert not wrong, "\n".join(wrong)
