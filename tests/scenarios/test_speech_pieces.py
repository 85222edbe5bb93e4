"""The cutting of speech into pieces for a model that takes one piece at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from worker.speech.local_models import LONGEST_PIECE_S, STT_SAMPLE_RATE
from worker.speech.stt.chunker import SpeechPieces

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm


def speech(seconds: float, *, first: int = 0) -> Pcm:
    """Return samples that encode their position, so that a lost or repeated one is detected."""
    count = round(seconds * STT_SAMPLE_RATE)
    return ((first + np.arange(count)) % 1000).astype(np.int16)


def test_a_speech_is_one_piece_from_its_first_frame() -> None:
    pieces = SpeechPieces()
    pieces.begin([speech(0.5)], 3.0)
    assert pieces.going_on
    assert pieces.go_on([speech(1.0, first=8000)], 4.0) is None
    piece = pieces.end(3.8)
    assert piece is not None
    assert (piece.start_s, piece.end_s, piece.ends_speech) == (2.5, 3.8, True)
    assert np.array_equal(piece.samples, speech(1.5))
    assert not pieces.going_on


def test_without_speech_continuing_or_ending_gives_nothing() -> None:
    pieces = SpeechPieces()
    assert pieces.go_on([speech(1.0)], 1.0) is None
    assert pieces.end(2.0) is None


def test_a_long_speech_is_cut_into_pieces_without_loss() -> None:
    pieces = SpeechPieces()
    pieces.begin([speech(1.0)], 1.0)
    found = []
    for second in range(1, 50):
        piece = pieces.go_on([speech(1.0, first=second * STT_SAMPLE_RATE)], second + 1.0)
        found += [piece] if piece is not None else []
    last = pieces.end(50.0)
    assert last is not None
    assert len(found) >= 2
    assert not any(piece.ends_speech for piece in found)
    assert all(piece.end_s - piece.start_s <= LONGEST_PIECE_S for piece in found)
    starts = [piece.start_s for piece in (*found, last)]
    assert starts == pytest.approx([0.0, *(piece.end_s for piece in found)])
    whole = np.concatenate([piece.samples for piece in (*found, last)])
    assert np.array_equal(whole, speech(50.0))
