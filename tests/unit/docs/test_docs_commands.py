"""The commands that the documents name: each exists, with its options, targets and modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tests.support.documents.markdown import documents
from tests.support.documents.sessions import not_runnable
from tests.support.documents.shell import commands_of
from tests.support.documents.usage import PROGRAM, inline_problem, shell_problem, usage_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Describes versions, so it names what was removed.
CHANGELOG: Final = "CHANGELOG.md"


def commands_in(data: Any) -> Iterator[list[str]]:
    """Yield the lists in YAML data that start interview-worker, as a container's probe does."""
    if isinstance(data, list) and data[:1] == [PROGRAM]:
        yield [str(word) for word in data]
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from commands_in(each)


def yaml_documents(text: str) -> list[Any]:
    """Return the data of a YAML text; nothing if it is not YAML, which another test reports."""
    try:
        return list(YAML(typ="safe", pure=True).load_all(text))
    except YAMLError:
        return []


def test_every_command_in_a_fence_exists_with_its_options() -> None:
    wrong = [
        f"{document.at(command.line)}: {problem}"
        for document in documents()
        for fence in document.fences
        if fence.language == "sh"
        for command in commands_of(fence.text, fence.line + 1)
        if (problem := shell_problem(command.words))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_command_in_inline_code_exists_with_its_options() -> None:
    wrong = [
        f"{document.at(code.line)}: `{code.text}`: {problem}"
        for document in documents()
        if document.name != CHANGELOG
        for code in document.codes
        if (problem := inline_problem(code.text))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_command_in_yaml_exists_with_its_options() -> None:
    wrong = [
        f"{document.at(fence.line)}: {problem}"
        for document in documents()
        for fence in document.fences
        if fence.language == "yaml"
        for words in commands_in(yaml_documents(fence.text))
        if (problem := usage_problem(words[1:], complete=True))
    ]
    assert not wrong, "\n".join(wrong)


def test_commands_that_no_test_can_run_are_in_fences_that_are_not_run() -> None:
    wrong = [message for document in documents() for message in not_runnable(document)]
    assert not wrong, "\n".join(wrong)
