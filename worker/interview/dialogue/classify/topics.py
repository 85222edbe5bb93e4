"""Topics: classify a short question or wish by its words if no pattern matches it.

    wish: talk speak & human real_person

A topic has a mood and groups of words. A sentence fits the topic if it contains a word of each
group. An entry with `_`, such as `real_person`, stands for consecutive words. The sentence may have
at most three other content words and no words that are typical of a story, so that a sentence about
the candidate's work is not classified as a wish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from worker.interview.dialogue.acts import Act

#: The moods: a question, a wish or a request, and any statement.
ASKS, WISHES, SAYS = "ask", "wish", "say"
_MOODS: Final = (ASKS, WISHES, SAYS)


@dataclass(frozen=True)
class Topic:
    """A topic. A sentence that fits the topic has the act `act`."""

    id: str
    act: Act
    mood: str
    groups: tuple[frozenset[str], ...]
    #: All words of the groups.
    words: frozenset[str]

    def fits(self, found: frozenset[str]) -> bool:
        """Return whether `found` (from `words_and_pairs`) contains an entry of each group."""
        return all(not group.isdisjoint(found) for group in self.groups)


def topics(table: Mapping[str, str]) -> Iterator[Topic]:
    """Yield the topics of a table. Raises ValueError for an unknown act or mood."""
    for name, text in table.items():
        for line in text.strip().splitlines():
            mood, _, rest = line.partition(":")
            if mood not in _MOODS:
                raise ValueError(f"{line!r} has no mood")
            groups = tuple(frozenset(group.split()) for group in rest.split("&"))
            words = frozenset(w for group in groups for entry in group for w in entry.split("_"))
            yield Topic(f"{name}.topic", Act(name), mood, groups, words)


def words_and_pairs(texts: Sequence[str]) -> frozenset[str]:
    """Return the words, and each two and each three consecutive words joined by `_`."""
    pairs = (f"{a}_{b}" for a, b in pairwise(texts))
    threes = ("_".join(texts[i : i + 3]) for i in range(len(texts) - 2))
    return frozenset([*texts, *pairs, *threes])
