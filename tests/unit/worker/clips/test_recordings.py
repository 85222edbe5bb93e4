"""The recorded clips, which need no provider."""

from __future__ import annotations

import importlib.resources
import io
import wave
from pathlib import Path

import numpy as np
import pytest

from states.table import HURRIED_CLOSING_S
from worker.audio import dsp
from worker.audio.clip import SAMPLE_RATE, ClipMissing, read_clip
from worker.clips import recordings
from worker.clips.recordings import ClipName, load_clip, missing_clips, preload_clips
from worker.interview.closing_messages import CLOSING_MESSAGES
from worker.job.shutdown import AROUND_WORDS_S, LEAST_STEP_S

CLIPS = importlib.resources.files("worker.clips")


def recording_of(name: ClipName) -> bytes:
    """Return the content of a clip's file."""
    return (CLIPS / f"{name.value}.opus").read_bytes()


@pytest.fixture
def reinstalled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Replace the folder of the clips by an empty one, and clear the cache of loaded clips."""
    monkeypatch.setattr(recordings, "_found", {})
    monkeypatch.setattr(importlib.resources, "files", lambda _: tmp_path)
    return tmp_path


@pytest.mark.row("B8")
@pytest.mark.parametrize("name", ClipName, ids=lambda name: name.value)
def test_a_clip_is_loud_enough_and_not_clipped(name: ClipName) -> None:
    peak = np.abs(dsp.to_float(load_clip(name).pcm)).max()

    assert 0.5 <= peak < 0.99


def test_a_clip_begins_and_ends_without_a_long_silence() -> None:
    for name in ClipName:
        clip = load_clip(name)
        loud = np.flatnonzero(np.abs(dsp.to_float(clip.pcm)) > 0.02)
        assert loud[0] / clip.sample_rate < 0.15
        assert (len(clip.pcm) - loud[-1]) / clip.sample_rate < 0.35


def test_all_clips_together_are_smaller_than_100_kb() -> None:
    recorded = (file for file in CLIPS.iterdir() if file.name.endswith(".opus"))

    sizes = {file.name: len(file.read_bytes()) for file in recorded}

    assert sizes.keys() == {f"{name.value}.opus" for name in ClipName}
    assert sum(sizes.values()) < 100_000


def test_a_clip_is_decoded_once_and_is_read_only() -> None:
    preload_clips()
    clip = load_clip(ClipName.WELCOME)

    assert load_clip(ClipName.WELCOME) is clip
    with pytest.raises(ValueError, match="read-only"):
        clip.pcm[0] = 1


def test_an_unreadable_recording_is_reported_with_the_name_of_the_clip(
    reinstalled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (reinstalled / "back.opus").write_bytes(b"no audio at all")

    for name in (ClipName.BACK, ClipName.GOODBYE) * 2:
        with pytest.raises(ClipMissing) as caught:
            load_clip(name)
        assert caught.value.name is name
    assert caplog.messages == [
        f"a recorded clip is left out: the clip {name} cannot be read: "
        "reinstall the package that contains it"
        for name in ("back", "goodbye")
    ], "once each"


@pytest.mark.row("B8")
def test_missing_clips_do_not_prevent_loading_the_others(reinstalled: Path) -> None:
    for name in ClipName:
        (reinstalled / f"{name.value}.opus").write_bytes(recording_of(name))
    (reinstalled / "one_moment.opus").unlink()
    (reinstalled / "welcome.opus").write_bytes(recording_of(ClipName.WELCOME)[:40])

    preload_clips()

    assert missing_clips() == (ClipName.WELCOME, ClipName.ONE_MOMENT)
    assert load_clip(ClipName.GOODBYE).duration_s > 0.5


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100])
def test_a_recording_of_any_rate_is_converted_to_the_output_rate(tmp_path: Path, rate: int) -> None:
    file = tmp_path / "tone.wav"
    file.write_bytes(tone_of(rate, seconds=1.0))

    clip = read_clip(file, name="tone", text="")

    assert clip.sample_rate == SAMPLE_RATE
    assert clip.duration_s == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["nothing", "silence"])
def test_a_silent_recording_counts_as_missing(tmp_path: Path, seconds: float) -> None:
    file = tmp_path / "silence.wav"
    file.write_bytes(tone_of(24_000, seconds=seconds, level=0))

    with pytest.raises(ClipMissing):
        read_clip(file, name="silence", text="")


def tone_of(rate: int, *, seconds: float, level: int = 9000) -> bytes:
    """Return a WAV file with a tone."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        times = np.arange(round(seconds * rate)) / rate
        file.writeframes((np.sin(times * 2765) * level).astype(np.int16).tobytes())
    return target.getvalue()


@pytest.mark.row("B8")
@pytest.mark.parametrize("name", sorted(set(CLOSING_MESSAGES.values())))
def test_each_closing_message_fits_into_the_shortest_closing_that_uses_it(name: ClipName) -> None:
    other_steps_s = 5 * LEAST_STEP_S
    said_s = load_clip(name).duration_s + AROUND_WORDS_S
    assert said_s + other_steps_s <= HURRIED_CLOSING_S
