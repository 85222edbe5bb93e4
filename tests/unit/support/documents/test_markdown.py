"""What is read from a Markdown document."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.documents.markdown import Document, anchor_of, parse
from tests.support.paths import REPOSITORY

PAGE = """\
# The page

A [link](other.md#part) and a
[second](https://example.org), with `code`.

| a | b |
| --- | --- |
| `in a table` | [third](b.md) |

- An item:

  ```sh not run: needs a server
  start --now
  ```

```yaml
# plan.yaml
title: Talk
```

## `states/`, and *more*

## More

## More

<a id="by-hand"></a><img src="drawn.svg">
"""


@pytest.fixture(scope="module")
def page() -> Document:
    return parse(PAGE, REPOSITORY / "docs" / "page.md")


def test_a_fence_has_its_lines_its_language_and_its_note(page: Document) -> None:
    fence = page.fences[0]
    assert (fence.line, fence.end) == (12, 14)
    assert (fence.language, fence.note) == ("sh", "not run: needs a server")
    assert fence.lines == ["start --now"]
    assert not fence.is_run


def test_a_fence_names_its_file_in_a_comment_on_the_first_line(page: Document) -> None:
    assert [fence.file_name for fence in page.fences] == [None, "plan.yaml"]


@pytest.mark.parametrize(
    ("paragraph", "name"),
    [
        ("The agent waits. Save this as `agent.py`:", "agent.py"),
        ("Save the plan as `plan.yaml`, in the same folder:", "plan.yaml"),
        ("The agent is in `agent.py`:", None),
        ("Save this as `agent.py`:\n\nIts end:", None),
    ],
)
def test_the_paragraph_before_a_fence_names_its_file(paragraph: str, name: str | None) -> None:
    (fence,) = parse(f"{paragraph}\n\n```python\nx = 1\n```\n", Path("page.md")).fences
    assert fence.file_name == name


@pytest.mark.parametrize(
    "fence", ["sh\n# run.sh\n", "python fragment\n# agent.py\n", "yaml\n# ../plan.yaml\n"]
)
def test_what_no_test_saves_has_no_file_name(fence: str) -> None:
    (only,) = parse(f"```{fence}```\n", Path("page.md")).fences
    assert only.file_name is None


def test_links_and_sources_of_images_have_their_lines(page: Document) -> None:
    assert [(link.line, link.target) for link in page.links] == [
        (3, "other.md#part"),
        (4, "https://example.org"),
        (8, "b.md"),
        (27, "drawn.svg"),
    ]
    assert [link.is_external for link in page.links] == [False, True, False, False]


def test_inline_code_is_found_in_sentences_and_tables(page: Document) -> None:
    assert [(code.line, code.text) for code in page.codes] == [
        (4, "code"),
        (8, "in a table"),
        (21, "states/"),
    ]


def test_a_relative_link_names_a_path_from_the_folder_of_the_document(page: Document) -> None:
    paths = [page.path_of(link) for link in page.links if not link.is_external]
    docs = REPOSITORY / "docs"
    assert paths == [docs / "other.md", docs / "b.md", docs / "drawn.svg"]


def test_anchors_are_those_of_github(page: Document) -> None:
    assert page.anchors == {"the-page", "states-and-more", "more", "more-1", "by-hand"}


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Drain and handover", "drain-and-handover"),
        ("LiveKit's webhooks", "livekits-webhooks"),
        ("B1: a_name & C++", "b1-a_name--c"),
    ],
)
def test_an_anchor_drops_punctuation_and_joins_words(heading: str, anchor: str) -> None:
    assert anchor_of(heading) == anchor
