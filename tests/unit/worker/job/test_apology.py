"""The runner's own apology, in its length and loudness."""

from __future__ import annotations

import numpy as np

from states.table import HURRIED_CLOSING_S
from worker.audio import dsp
from worker.job.apology import TEXT, load_apology
from worker.job.shutdown import AROUND_WORDS_S, LEAST_STEP_S


def test_the_apology_fits_any_application() -> None:
    assert not {"interview", "answer", "answers", "question"} & set(TEXT.lower().split())


def test_the_apology_is_loud_enough_and_fits_into_a_hurried_closing() -> None:
    clip = load_apology()
    assert clip.text == TEXT
    assert 0.5 <= np.abs(dsp.to_float(clip.pcm)).max() < 0.99
    assert clip.duration_s + AROUND_WORDS_S + 5 * LEAST_STEP_S <= HURRIED_CLOSING_S


def test_the_apology_is_decoded_once() -> None:
    assert load_apology() is load_apology()
