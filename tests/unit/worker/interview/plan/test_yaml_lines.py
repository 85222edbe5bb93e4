"""The YAML reader: what it refuses, and with which line."""

from __future__ import annotations

import pytest

from worker.interview.plan.yaml_lines import YamlMistake, read_yaml


@pytest.mark.parametrize("version", ["1.0", "1.3"])
def test_an_unknown_version_of_yaml_is_a_mistake_with_its_line(version: str) -> None:
    with pytest.raises(YamlMistake, match=r"a version other than 1\.1 and 1\.2") as refused:
        read_yaml(f"# a plan\n%YAML {version}\n---\ntitle: Talk\n")
    assert refused.value.line == 2


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_known_version_of_yaml_is_read(version: str) -> None:
    assert read_yaml(f"%YAML {version}\n---\ntitle: Talk\n").value == {"title": "Talk"}


def test_an_unknown_version_of_yaml_before_a_second_document_is_a_mistake_with_its_line() -> None:
    with pytest.raises(YamlMistake, match=r"a version other than 1\.1 and 1\.2") as refused:
        read_yaml("%YAML 1.1\n---\n%YAML 1.3\n---\ntitle: Talk\n")
    assert refused.value.line == 3
