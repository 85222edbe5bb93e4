"""The longest silence in a turn."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.live.silences import OurTurn, spans_in
from worker.simulation.audio_analysis import SAMPLE_RATE, AudibleSpan


def test_silence_is_told_from_sound_in_a_recording() -> None:
    tone = (8000 * np.sin(np.arange(SAMPLE_RATE) / 10)).astype(np.int16)
    silence = np.zeros(SAMPLE_RATE, np.int16)

    (span,) = spans_in(np.concatenate([silence, tone, silence]))

    assert (span.start_s, span.end_s) == pytest.approx((1.0, 2.0))


def test_the_longest_silence_of_a_turn_is_broken_by_what_is_heard_or_read() -> None:
    sounds = [AudibleSpan(start_s=0.0, end_s=11.0), AudibleSpan(start_s=13.0, end_s=14.0)]
    turn = OurTurn(began_s=10.0, ended_s=19.0)

    assert turn.with_sounds(sounds, []).longest_silence_s == 2.0
    assert turn.with_sounds(sounds, [18.0]).longest_silence_s == 4.0
    assert turn.with_sounds(sounds, [12.5, 19.5]).longest_silence_s == 1.5
    assert turn.with_sounds([], []).longest_silence_s == 0.0
