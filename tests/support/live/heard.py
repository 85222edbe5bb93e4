"""Speech in recordings: transcript, word error rate, and detection of two voices at once."""

from __future__ import annotations

import asyncio
import re
from itertools import combinations, product
from typing import TYPE_CHECKING

from worker.audio.dsp import to_float, trim_silence
from worker.clips.recordings import ClipName
from worker.speech import local_models

if TYPE_CHECKING:
    from worker.simulation.room_candidate import Candidate

#: Maximum share of wrong words. The bundled recogniser was measured at 1-4 % on recorded voices,
#: and a machine under load adds to that.
MOST_WORD_ERRORS = 0.10


def words(text: str) -> list[str]:
    """Return the words in lower case. The recogniser writes "goodbye" in three ways."""
    return re.findall(r"[a-z0-9']+", re.sub(r"\bgood[ -]bye\b", "goodbye", text.lower()))


def word_error_rate(spoken: str, understood: str) -> float:
    """Return the word edits (Levenshtein) divided by the number of words spoken."""
    said, heard = words(spoken), words(understood)
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        above_left, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            cost = min(row[j] + 1, row[j - 1] + 1, above_left + (word != other))
            above_left, row[j] = row[j], cost
    return row[-1] / max(1, len(said))


def without_clips(understood: str, spoken: str) -> str:
    """Return a transcript without the bundled clips that are no part of the spoken words.

    A clip may play before any turn of the interviewer, and may stop early when the turn begins:
    after two of its words, at the least.
    """
    left, kept = words(understood), words(spoken)
    for clip in ClipName:
        full = words(clip.text)
        for length in range(len(full), 1, -1):
            part = full[:length]
            if (at := _index_of(part, left)) is not None and _index_of(part, kept) is None:
                del left[at : at + length]
                break
    return " ".join(left)


def _index_of(part: list[str], whole: list[str]) -> int | None:
    places = range(len(whole) - len(part) + 1)
    return next((at for at in places if whole[at : at + len(part)] == part), None)


async def heard_by(
    candidate: Candidate, *, since_s: float = 0.0, until_s: float | None = None
) -> str:
    """Return the transcript of the audio that the candidate received in this time."""
    # Every third sample of 48 kHz gives 16 kHz; the audio above 8 kHz is too weak to matter.
    until = None if until_s is None else round(until_s * 48_000)
    samples = to_float(candidate.recording()[round(since_s * 48_000) : until : 3])
    speech = trim_silence(samples, 16_000, threshold=0.01, keep_before_s=0.1, keep_after_s=0.1)
    return (await asyncio.to_thread(local_models.transcribe, speech)).lower()


def place_of(spoken: str, understood: str) -> tuple[int, int] | None:
    """Return the slice of `words(understood)` with the spoken words; None if they are missing.

    A share of `MOST_WORD_ERRORS` of the words may be wrong, and at least one word.
    """
    said, heard = words(spoken), words(understood)
    # For each end of a match: its errors and its start. A match may start anywhere at no cost.
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
    """Return how often the spoken words occur in the transcript."""
    left, times = words(understood), 0
    while (place := place_of(spoken, " ".join(left))) is not None:
        del left[slice(*place)]
        times += 1
    return times


def together_s(candidate: Candidate) -> float:
    """Return the seconds in which two interviewers were audible at once."""
    return sum(
        max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))
        for voice, another in combinations(candidate.meters.values(), 2)
        for one, other in product(voice.spans, another.spans)
    )
