"""What was understood: the words of a recording, and how far they are from those spoken."""

from __future__ import annotations

import asyncio
import re
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


async def heard_by(candidate: Candidate, *, since_s: float = 0.0) -> str:
    """The words that reached the candidate's ear from `since_s` on, as a recogniser has them."""
    # Every third sample of 48 kHz is 16 kHz; what lies above 8 kHz is too little to matter.
    samples = to_float(candidate.recording()[round(since_s * 48_000) :: 3])
    speech = trim_silence(samples, 16_000, threshold=0.01, keep_before_s=0.1, keep_after_s=0.1)
    return (await asyncio.to_thread(local_models.transcribe, speech)).lower()
