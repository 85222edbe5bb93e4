"""Markup in the spoken texts of a plan, which text-to-speech would read aloud or leave out.

Text to speech gets the texts unchanged, except that the framework removes some Markdown and emoji.
Therefore a plan must contain only words. To refuse no correct plan, each pattern requires a mark
that does not occur in ordinary sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from worker.interview.plan.validation import MAX_TEXT

#: Maximum number of characters of the markup that a message shows.
_SHOWN: Final = 40


@dataclass(frozen=True, kw_only=True)
class Markup:
    """One piece of markup in a text."""

    #: Kind of the markup, as a noun with its article, such as "a tag".
    kind: str
    #: The text that was found.
    found: str

    @property
    def message(self) -> str:
        """The problem, as a text that continues a sentence whose subject is the checked text."""
        shown = " ".join(self.found.split())
        cut = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        return f"must be words to speak, without {self.kind} ({cut})"


#: Each kind of markup with its pattern. If findings overlap, the kind that comes first in this list
#: counts.
_KINDS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    # SSML, HTML and comments: `<break time="1s"/>`, `</emphasis>`, `<!-- later -->`. A comparison
    # such as `a < b` has no letter after the sign.
    ("a tag", re.compile(r"<!--|</?[A-Za-z][^<>\n]{0,300}>")),
    ("a character reference", re.compile(r"&(?:[A-Za-z]{2,10}|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")),
    ("a link", re.compile(r"!?\[[^\]\n]{1,300}\]\([^)\n]{1,300}\)")),
    ("a URL", re.compile(r"\b(?:[A-Za-z][A-Za-z0-9+.-]{1,12}://|www\.)\S+|\bmailto:\S+")),
    ("code", re.compile(r"`+[^`]*`*|~~~+")),
    ("a placeholder", re.compile(r"\$?\{\{?[^{}\n]{0,100}\}?\}|[{}]|%[A-Z_]{2,}%")),
    (
        "Markdown",
        re.compile(
            r"\*\*|(?<!\w)__|__(?!\w)|~~"  # **bold**, __bold__, ~~struck~~
            # *italic* and _italic_: the marks touch the words, and stand outside of a word.
            r"|(?<![\w*])\*(?=[^\s*])[^*\n]{0,300}?(?<=[^\s*])\*(?![\w*])"
            r"|(?<![\w_])_(?=[^\s_])[^_\n]{0,300}?(?<=[^\s_])_(?![\w_])"
            # Headings, quotes and tables at the beginning of a line.
            r"|^[ \t]*(?:#{1,6}[ \t]+\S+|>[ \t]*\S+|\|[^\n]*\|[ \t]*$)",
            re.MULTILINE,
        ),
    ),
    # Lists of several entries. A line that begins with one hyphen may be a dash.
    (
        "a list",
        re.compile(r"^[ \t]*[-*+\u2022][ \t]+\S[^\n]*\n+[ \t]*[-*+\u2022][ \t]+\S", re.MULTILINE),
    ),
    (
        "an emoji",
        re.compile(
            "[\u203c\u2049\u231a-\u23ff\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\ufe0f"
            "\u20e3\U0001f000-\U0001faff]+"
        ),
    ),
)


def markup_in(text: str) -> list[Markup]:
    """Return the first finding of each kind of markup in a text, in the order of the text."""
    if len(text) > MAX_TEXT:
        return []  # not searched, because another rule refuses a text of this length
    found: list[tuple[int, Markup]] = []
    taken: list[tuple[int, int]] = []
    for kind, pattern in _KINDS:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            taken.append(match.span())
            found.append((match.start(), Markup(kind=kind, found=match[0])))
            break
    return [markup for _, markup in sorted(found, key=lambda each: each[0])]
