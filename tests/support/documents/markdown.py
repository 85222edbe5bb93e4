"""Reads Markdown documents: fences, links, inline code and heading anchors, with line numbers."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from markdown_it import MarkdownIt

from tests.support.paths import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.token import Token

#: Folders whose documents are checked, besides those at the top of the repository.
_FOLDERS: Final = ("docs", "deploy", "examples", "states")
_MARKDOWN: Final = MarkdownIt("commonmark").enable("table")
_HTML_LINK: Final = re.compile(r'\b(?:href|src)="([^"]+)"')
_HTML_ANCHOR: Final = re.compile(r'\b(?:id|name)="([^"]+)"')
_NAME: Final = r"([\w-]+(?:\.[\w-]+)+)"
#: A comment with the name of a file, without a folder.
_FILE_COMMENT: Final = re.compile(rf"# {_NAME}\n")
#: The end of a paragraph such as "Save this as `plan.yaml`:".
_SAVE_AS: Final = re.compile(rf"\b[Ss]ave [^`.]*as `{_NAME}`[^`]*:$")


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A fenced block of code."""

    #: Line of the opening marker, from 1.
    line: int
    #: Line of the closing marker; the last line of the document if the fence is not closed.
    end: int
    #: The whole info string, such as `sh not run: needs a LiveKit server`.
    info: str
    text: str
    #: Text of the paragraph directly before the fence; empty if no paragraph is directly before it.
    before: str = ""

    @property
    def language(self) -> str:
        """The first word of the info string."""
        return self.info.partition(" ")[0]

    @property
    def note(self) -> str:
        """The info string after the language, such as `fragment`."""
        return self.info.partition(" ")[2].strip()

    @property
    def is_run(self) -> bool:
        """Whether a test runs the fence as shell commands."""
        return self.info == "sh"

    @property
    def file_name(self) -> str | None:
        """The file under which a reader saves the text; None if it is not a file.

        The name is in the paragraph before the fence ("Save this as `plan.yaml`:"), or in the first
        line of the text, a comment with only the name (`# plan.yaml`).
        """
        if self.note or self.language in ("", "sh", "text"):
            return None
        found = _SAVE_AS.search(self.before) or _FILE_COMMENT.match(self.text)
        return found[1] if found else None

    @property
    def lines(self) -> list[str]:
        """The lines of the text, without their line breaks."""
        return self.text.split("\n")[:-1]


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link, or the source of an image."""

    line: int
    target: str

    @property
    def is_external(self) -> bool:
        """Whether the target has a scheme, such as `https:`."""
        return re.match(r"[A-Za-z][\w+.-]*:", self.target) is not None


@dataclass(frozen=True, kw_only=True)
class InlineCode:
    """Code inside a sentence or a cell of a table."""

    line: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """One Markdown file."""

    path: Path
    text: str
    fences: tuple[Fence, ...]
    links: tuple[Link, ...]
    codes: tuple[InlineCode, ...]
    #: Anchors of the headings as GitHub makes them, and the ids of HTML elements.
    anchors: frozenset[str]

    @property
    def name(self) -> str:
        """The path of the document in the repository."""
        inside = self.path.is_relative_to(REPOSITORY)
        return (self.path.relative_to(REPOSITORY) if inside else self.path).as_posix()

    def at(self, line: int) -> str:
        """Return a line's place, in the format that editors and compilers use."""
        return f"{self.name}:{line}"

    def path_of(self, link: Link) -> Path:
        """Return the file or folder that a relative link names."""
        path = link.target.partition("#")[0]
        if path.startswith("/"):
            return REPOSITORY / path.lstrip("/")
        # Not `resolve`, which would also follow a symbolic link to the checkout.
        return Path(os.path.normpath(self.path.parent / path)) if path else self.path


def document_paths() -> list[Path]:
    """Return the paths of all documents that are checked."""
    inside = [path for folder in _FOLDERS for path in (REPOSITORY / folder).rglob("*.md")]
    return sorted([*REPOSITORY.glob("*.md"), *inside])


def documents() -> list[Document]:
    """Return all documents that are checked."""
    return [read(path) for path in document_paths()]


@cache
def read(path: Path) -> Document:
    """Return the document in a file."""
    return parse(path.read_text(encoding="utf-8"), path)


def parse(text: str, path: Path) -> Document:
    """Return the document with this text."""
    tokens = _MARKDOWN.parse(text)
    inline = list(_inline(tokens))
    return Document(
        path=path,
        text=text,
        fences=tuple(_fences(tokens)),
        links=tuple(_links([*inline, *_html_blocks(tokens)])),
        codes=tuple(
            InlineCode(line=line, text=token.content)
            for line, token in inline
            if token.type == "code_inline"
        ),
        anchors=frozenset((*_heading_anchors(tokens), *_HTML_ANCHOR.findall(_html(tokens)))),
    )


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub gives to the first heading with this text."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _first_line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _fences(tokens: Sequence[Token]) -> Iterator[Fence]:
    for place, token in enumerate(tokens):
        if token.type != "fence":
            continue
        # A paragraph is three tokens: its opening, its text, its end.
        follows = place > 1 and tokens[place - 1].type == "paragraph_close"
        yield Fence(
            line=_first_line(token),
            end=token.map[1] if token.map else 1,
            info=token.info.strip(),
            text=token.content,
            before=tokens[place - 2].content if follows else "",
        )


def _inline(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Yield the tokens inside paragraphs, headings and cells of tables, with their lines."""
    for token in tokens:
        line = _first_line(token)
        for child in token.children or ():
            yield line, child
            if child.type in ("softbreak", "hardbreak"):
                line += 1


def _html_blocks(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    return ((_first_line(token), token) for token in tokens if token.type == "html_block")


def _html(tokens: Sequence[Token]) -> str:
    """Return all HTML of a document."""
    inside = (token for _, token in _inline(tokens) if token.type == "html_inline")
    blocks = (token for _, token in _html_blocks(tokens))
    return "\n".join(token.content for token in (*inside, *blocks))


def _links(tokens: Sequence[tuple[int, Token]]) -> Iterator[Link]:
    for line, token in tokens:
        if token.type == "link_open":
            targets = [str(token.attrs["href"])]
        elif token.type == "image":
            targets = [str(token.attrs["src"])]
        elif token.type in ("html_inline", "html_block"):
            targets = _HTML_LINK.findall(token.content)
        else:
            continue
        yield from (Link(line=line, target=unquote(target)) for target in targets)


def _heading_anchors(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the anchor of each heading; a repeated one gets a number, from -1."""
    seen: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            shown = (t.content for t in inline.children or () if t.type in ("text", "code_inline"))
            anchor = anchor_of("".join(shown))
            yield f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
            seen[anchor] += 1
