"""Scripts with thinking pauses, and the voice that speaks them."""

from __future__ import annotations

import numpy as np
import pytest

from worker.simulation.voice import LocalVoice, split_at_pauses, without_pauses


def spoken(text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return ten loud samples for each word."""
    return np.full(10 * len(text.split()), 0.5, np.float32)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("No pause.", ["No pause."]),
        ("One, [pause 1.3] two.", ["One,", 1.3, "two."]),
        ("[pause 2] One.", [2.0, "One."]),
        ("One. [pause 1] [pause 0.5]", ["One.", 1.0, 0.5]),
        ("", []),
        ("[pause soon] [pause]", ["[pause soon] [pause]"]),
    ],
)
def test_a_script_is_cut_at_its_pause_marks(text: str, parts: list[str | float]) -> None:
    assert split_at_pauses(text) == parts


def test_pause_marks_are_removed_for_comparison_with_a_transcript() -> None:
    assert without_pauses("One, [pause 1.3] two. [pause 1]") == "One, two."


async def test_a_pause_is_silence_of_that_length_between_the_words() -> None:
    samples, rate = await LocalVoice(synthesize=spoken).render("one two [pause 1.5] three")
    assert len(samples) == 20 + round(1.5 * rate) + 10
    assert np.flatnonzero(samples == 0).size == round(1.5 * rate)


async def test_the_candidate_has_a_lower_pitch_than_the_interviewer() -> None:
    _, rate = await LocalVoice(pitch=0.5, synthesize=spoken).render("one")
    assert rate == 12_000


async def test_an_empty_text_gives_no_samples() -> None:
    samples, _ = await LocalVoice(synthesize=spoken).render("")
    assert samples.size == 0
    assert samples.dtype == np.int16
