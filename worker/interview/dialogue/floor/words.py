"""What words over the interviewer's line are: an interruption, a backchannel, or an echo."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from worker.interview.dialogue.acts import RIGHTS, Act
from worker.interview.dialogue.floor.decisions import Verdict
from worker.interview.dialogue.floor.figures import BACKCHANNEL_WORDS, ECHO_SHARE, ECHO_WORDS

#: The acts that interrupt every line, also the disclosure and the goodbye: those of every phase,
#: and those for which the phase GREETING has rows of its own.
HOTWORD_ACTS: Final = frozenset({*RIGHTS, Act.CANNOT_HEAR, Act.REPEAT, Act.PACE, Act.WAIT})

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def word_set(words: str) -> frozenset[str]:
    """Return the words of a list that is separated by spaces."""
    return frozenset(words.split())


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """The short words of a language that decide who has the floor."""

    #: Words that interrupt even alone.
    stop: frozenset[str]
    #: Pairs of words that interrupt.
    stop_pairs: frozenset[tuple[str, str]]
    #: Words that only tell that the candidate listens.
    acknowledgements: frozenset[str]


#: English. "No" alone is no stop word, because the local speech-to-text writes "No." for "Mm-hmm."
#: (measured). "Huh" and "hello" are missing for the same reason: it writes them for "Hm."
ENGLISH: Final = Lexicon(
    stop=word_set("stop wait sorry pardon what repeat question again slower louder quiet pause"),
    stop_pairs=frozenset(
        {
            ("hold", "on"),
            ("hang", "on"),
            ("excuse", "me"),
            ("no", "no"),
            ("one", "moment"),
            ("one", "second"),
        }
    ),
    acknowledgements=word_set(
        """ah aha alright cool exactly fine good great hm hmm huh i mhm mm mmhm mmhmm nice oh ok
        okay right see sure uh uhhuh um understood yeah yep yes yup"""
    ),
)


def plain(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case, without punctuation and apostrophes.

    Unlike `classify.words.words_of`, it keeps fillers such as "mm", and words that are repeated:
    they decide who has the floor.
    """
    found = _WORD.findall(text.lower())
    return tuple(word.replace("'", "").replace("\u2019", "") for word in found)


def _common(words: Sequence[str], ours: Sequence[str]) -> Iterator[int]:
    """Yield, after each word, how many words so far also occur in ours, in the same order.

    The number is the length of the longest common subsequence.
    """
    best = [0] * (len(ours) + 1)
    for word in words:
        before = 0
        for index, our_word in enumerate(ours, start=1):
            kept = best[index]
            best[index] = before + 1 if word == our_word else max(kept, best[index - 1])
            before = kept
        yield best[-1]


def echo_share(words: Sequence[str], ours: Sequence[str]) -> float:
    """Return the share of the words that also occur in ours, in the same order."""
    return max(_common(words, ours), default=0) / len(words) if words else 0.0


def is_echo(words: Sequence[str], ours: Sequence[str]) -> bool:
    """Return whether the words are an echo of ours."""
    return bool(words) and echo_share(words, ours) >= ECHO_SHARE


def split_echo(text: str, ours: Sequence[str], least: int) -> tuple[str, str]:
    """Return the echo of our words at the beginning of a text, and the rest of the text.

    Speech-to-text may return an echo and the answer that follows it as one text. The echo is empty
    if it has fewer than `least` words.
    """
    tokens = text.split()
    parts = [(word, number) for number, token in enumerate(tokens, 1) for word in plain(token)]
    best = end = 0
    for count, common in enumerate(_common([word for word, _ in parts], ours), 1):
        # Words that are ours count one, and other words minus one.
        gain = 2 * common - count
        if gain > best and common >= ECHO_SHARE * count and count >= least:
            best, end = gain, parts[count - 1][1]
    return " ".join(tokens[:end]), " ".join(tokens[end:])


def proves_echo(words: Sequence[str]) -> bool:
    """Return whether an echo of so many words is no match by chance."""
    return len(words) >= ECHO_WORDS


def verdict_of(
    words: Sequence[str],
    act: Act | None,
    lexicon: Lexicon,
    *,
    hotword_line: bool = False,
    continues_answer: bool = False,
) -> Verdict:
    """Return what words are that are no echo.

    With `continues_answer` the words follow a pause in an answer. Then one or two words may be the
    end of the answer, and only acknowledgements are a backchannel.
    """
    if act in HOTWORD_ACTS:
        return Verdict.HOTWORD
    if hotword_line:
        return Verdict.SOCIAL
    if len(words) > BACKCHANNEL_WORDS:
        return Verdict.SPEECH
    if lexicon.stop.intersection(words) or tuple(words) in lexicon.stop_pairs:
        return Verdict.STOP_WORD
    if continues_answer and not lexicon.acknowledgements.issuperset(words):
        return Verdict.SPEECH
    return Verdict.BACKCHANNEL
