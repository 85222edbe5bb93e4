"""What was heard: the words of a recording, how far they are from those spoken, and by how many."""

from __future__ import annotations

import asyncio
import re
from itertools import combinations, product
from typing import TYPE_CHECKING

from worker.speech import local_models
from worker.speech.audio import to_float, trim_silence

if TYPE_CHECKING:
    from worker.demo.candidate import Candidate

#: Of the words that are spoken, how many may be wrong: the bundled recogniser was measured at
#: 1-4 % on recorded voices, and a machine under load adds to it.
MOST_WORD_ERRORS = 0.10


def words(text: str) -> list[str]:
    """The words alone, in lower case."""
    return re.findall(r"[a-z0-9']+", text.lower())


def word_error_rate(spoken: str, understood: str) -> float:
    """Word substitutions, insertions and deletions over the words spoken (Levenshtein)."""
    said, heard = words(spoken), words(understood)
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        above_left, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            cost = min(row[j] + 1, row[j - 1] + 1, above_left + (word != other))
            above_left, row[j] = row[j], cost
    return row[-1] / max(1, len(said))


async def heard_by(
    candidate: Candidate, *, since_s: float = 0.0, until_s: float | None = None
) -> str:
    """The words that reached the candidate's ear in this time, as a recogniser has them."""
    # Every third sample of 48 kHz is 16 kHz; what lies above 8 kHz is too little to matter.
    until = None if until_s is None else round(until_s * 48_000)
    samples = to_float(candidate.recording()[round(since_s * 48_000) : until : 3])
    speech = trim_silence(samples, 16_000, threshold=0.01, keep_before_s=0.1, keep_after_s=0.1)
    return (await asyncio.to_thread(local_models.transcribe, speech)).lower()


def place_of(spoken: str, understood: str) -> tuple[int, int] | None:
    """Where in what was understood the spoken words are, as a slice of `words`; None: nowhere.

    As many of them may be wrong as in `MOST_WORD_ERRORS`, and one in any case.
    """
    said, heard = words(spoken), words(understood)
    # Errors up to each place, and where the words that end there begin: anywhere costs nothing.
    row = [(0, at) for at in range(len(heard) + 1)]
    for word in said:
        above_left, row[0] = row[0], (row[0][0] + 1, row[0][1])
        for j, other in enumerate(heard, start=1):
            (wrong, since), (less, before), (more, left) = above_left, row[j], row[j - 1]
            above_left = row[j]
            row[j] = min((wrong + (word != other), since), (less + 1, before), (more + 1, left))
    errors, end = min((errors, end) for end, (errors, _) in enumerate(row))
    return (row[end][1], end) if errors <= max(1, MOST_WORD_ERRORS * len(said)) else None


def times_in(spoken: str, understood: str) -> int:
    """How often the spoken words are in what was understood."""
    left, times = words(understood), 0
    while (place := place_of(spoken, " ".join(left))) is not None:
        del left[slice(*place)]
        times += 1
    return times


def together_s(candidate: Candidate) -> float:
    """Seconds in which two interviewers were audible at once."""
    return sum(
        max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))
        for voice, another in combinations(candidate.meters.values(), 2)
        for one, other in product(voice.spans, another.spans)
    )
