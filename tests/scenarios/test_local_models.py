"""The in-process speech models."""

from __future__ import annotations

import logging
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.support.virtual.speech_helpers import noise, silence, spoken, word_error_rate
from worker.audio import dsp
from worker.speech import local_models
from worker.speech.local_models import LocalSpeechFailed, LocalSpeechUnavailable


def heard(pcm: np.ndarray) -> str:
    return local_models.transcribe(dsp.to_float(pcm))


def test_local_tts_is_understood_by_local_stt() -> None:
    said = "I worked with three people on a search engine for the library of our city."

    assert word_error_rate(said, heard(spoken(said))) <= 0.1


def test_half_a_minute_of_speech_loses_no_word_and_invents_none() -> None:
    said = " ".join(
        f"In week {week} we looked at the slowest queries, wrote down what we saw, and fixed one."
        for week in ("one", "two", "three", "four", "five", "six", "seven")
    )
    pcm = spoken(said)

    assert len(pcm) / local_models.STT_SAMPLE_RATE > 30
    assert word_error_rate(said, heard(pcm)) <= 0.1


@pytest.mark.parametrize(
    "pcm",
    [silence(0), silence(0.01), silence(2), noise(2, rms=3), noise(2, rms=100), noise(2, rms=1500)],
    ids=["empty", "10 ms", "silence", "nearly silence", "quiet noise", "loud noise"],
)
def test_no_words_are_transcribed_without_speech(pcm: np.ndarray) -> None:
    assert heard(pcm) == ""


def test_the_silence_around_a_sentence_is_trimmed() -> None:
    samples = local_models.synthesize("That is a good example.")

    loud = np.flatnonzero(np.abs(samples) > 0.005)
    assert loud[0] / local_models.TTS_SAMPLE_RATE == pytest.approx(0.01, abs=0.002)
    silent_s = (len(samples) - loud[-1]) / local_models.TTS_SAMPLE_RATE
    assert silent_s == pytest.approx(0.1, abs=0.002)


def test_two_sentences_are_spoken_with_a_pause_between_them() -> None:
    first, second = "That is a good example.", "What came of it?"
    pause = round(local_models.SENTENCE_PAUSE_S * local_models.TTS_SAMPLE_RATE)

    both = local_models.synthesize(f"{first} {second}")

    apart = [local_models.synthesize(sentence) for sentence in (first, second)]
    assert len(both) == len(apart[0]) + pause + len(apart[1])


@pytest.mark.parametrize("text", ["", "   ", "...", "—"])
def test_a_text_with_nothing_to_say_gives_no_audio(text: str) -> None:
    assert local_models.synthesize(text).size == 0


def test_threads_that_speak_and_hear_at_the_same_time_do_not_disturb_each_other() -> None:
    said = "The tests run on every change."
    pcm = spoken(said)
    results: list[str] = []

    def hear() -> None:
        local_models.synthesize("Something else is said at the same time.")
        results.append(heard(pcm))

    threads = [threading.Thread(target=hear) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 4
    assert all(word_error_rate(said, result) <= 0.1 for result in results)


def test_models_that_are_preloaded_are_not_loaded_again(caplog: pytest.LogCaptureFixture) -> None:
    local_models.preload(stt=True, tts=True)
    caplog.set_level(logging.DEBUG)

    local_models.preload(stt=True, tts=True)

    assert caplog.records == []


def test_models_loaded_before_a_fork_work_after_it() -> None:
    script = """
import os
from worker.speech import local_models
local_models.preload(stt=True, tts=True)
words = "I worked on a small service for three years."
local_models.synthesize(words)
pid = os.fork()
if pid == 0:
    again = local_models.synthesize(words)
    import numpy as np
    t = np.arange(0, len(again), 1.5)
    text = local_models.transcribe(np.interp(t, np.arange(len(again)), again).astype(np.float32))
    # Another processor may hear one word otherwise.
    os._exit(0 if len(set(words.split()) & set(text.split())) >= 8 else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    result = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)

    assert result.returncode == 0


def test_local_speech_is_available_where_the_tests_run() -> None:
    assert local_models.available() is None


def test_an_unsupported_platform_gets_the_requirements_of_local_speech(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    assert "x86_64" in str(local_models.available())


def test_an_old_c_library_gets_the_requirements_of_local_speech(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))

    assert "2.34" in str(local_models.available())


def test_a_model_that_is_not_available_is_reported_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_models, "available", lambda: "not here")
    engine = local_models._Engine("a model", object)

    with pytest.raises(LocalSpeechUnavailable) as caught, engine.use():
        pass

    assert caught.value.reason == "not here"


def test_a_model_that_failed_to_load_is_retried_on_next_use() -> None:
    attempts: list[int] = []

    def load() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("cannot be read")
        return "the model"

    engine = local_models._Engine("a model", load)
    with pytest.raises(LocalSpeechUnavailable, match="did not load"), engine.use():
        pass

    with engine.use() as model:
        assert model == "the model"


def test_a_failure_names_the_error_without_the_text() -> None:
    engine = local_models._Engine("a model", object)

    with pytest.raises(LocalSpeechFailed) as caught, engine.use():
        raise ValueError("the words of a candidate")

    assert str(caught.value) == "a model failed: ValueError"
