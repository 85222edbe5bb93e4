"""The recorded clips, made and transcribed by the local models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts import record_clips
from tests.support.virtual.speech_helpers import STT_RATE, word_error_rate
from worker.audio import dsp
from worker.audio.clip import read_clip
from worker.audio.frames import resampled
from worker.clips.recordings import ClipName, load_clip
from worker.job import apology
from worker.speech import local_models

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row("B8")
@pytest.mark.parametrize("name", [*ClipName, None], ids=lambda name: name or apology.NAME)
def test_a_clip_contains_its_words(name: ClipName | None) -> None:
    clip = apology.load_apology() if name is None else load_clip(name)

    heard = local_models.transcribe(dsp.to_float(resampled(clip.pcm, clip.sample_rate, STT_RATE)))

    assert word_error_rate(clip.text, heard) <= 0.2
    words_per_s = len(clip.text.split()) / clip.duration_s
    assert 1.5 <= words_per_s <= 6


def test_the_clips_can_be_recorded_again(tmp_path: Path) -> None:
    record_clips.main([str(tmp_path)])

    recorded = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.opus")}
    assert recorded == {*(f"clips/{name.value}.opus" for name in ClipName), "job/apology.opus"}
    clip = load_clip(ClipName.WELCOME)
    again = read_clip(tmp_path / "clips/welcome.opus", name="again", text="")
    assert len(again.pcm) == pytest.approx(len(clip.pcm), abs=clip.sample_rate // 10)
