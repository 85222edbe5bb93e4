"""The TTS cache on disk: hits, misses, damage, size limit, sharing, and failures of the disk."""

from __future__ import annotations

import errno
import logging
import os
import resource
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from worker.config.settings import Settings
from worker.speech.tts.cache import SpeechCache, Voice, name_of, speech_cache, voices_of
from worker.speech.tts.cache_files import SpeechFiles

if TYPE_CHECKING:
    from worker.audio.dsp import Pcm

SENTENCE = "What was the hardest part of it?"
ADA = Voice(provider="elevenlabs", voice="ada", model="turbo", settings=("en",))
LOCAL = Voice(provider="local", voice="hibari", model="1")
NAME = name_of(ADA, SENTENCE)
MEGABYTE = 1_000_000


def sound(seconds: float = 1.0, *, seed: int = 0) -> Pcm:
    samples = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * 24_000))
    pcm: Pcm = samples.astype(np.int16)
    return pcm


def files(folder: Path, *, max_bytes: int = 10 * MEGABYTE) -> SpeechFiles:
    return SpeechFiles(folder / "speech", max_bytes=max_bytes)


def store(folder: Path) -> SpeechCache:
    voices = {"elevenlabs": ADA, "local": LOCAL}
    return SpeechCache(folder / "speech", voices, max_bytes=10 * MEGABYTE)


def only_file(folder: Path) -> Path:
    (path,) = (folder / "speech").iterdir()
    return path


# --- one file per sentence ---------------------------------------------------------------------


async def test_another_job_finds_a_cached_sentence_with_identical_samples(tmp_path: Path) -> None:
    assert await store(tmp_path).keep("elevenlabs", SENTENCE, sound())

    found = await store(tmp_path).find("elevenlabs", SENTENCE)

    assert found is not None
    np.testing.assert_array_equal(found, sound())


@pytest.mark.parametrize(
    ("provider", "sentence"),
    [("local", SENTENCE), ("elevenlabs", f"{SENTENCE}?"), ("unknown", SENTENCE)],
)
async def test_another_voice_or_another_text_is_a_miss(
    tmp_path: Path, provider: str, sentence: str
) -> None:
    kept = store(tmp_path)
    await kept.keep("elevenlabs", SENTENCE, sound())

    assert await kept.find(provider, sentence) is None
    assert not await kept.keep("unknown", SENTENCE, sound())


def test_whitespace_does_not_change_the_cache_key() -> None:
    assert name_of(ADA, " What was the\n hardest  part of it? ") == NAME


def test_every_setting_of_a_voice_changes_the_cache_key() -> None:
    voices = [
        ADA,
        LOCAL,
        Voice(provider="elevenlabs", voice="bella", model="turbo", settings=("en",)),
        Voice(provider="elevenlabs", voice="ada", model="flash", settings=("en",)),
        Voice(provider="elevenlabs", voice="ada", model="turbo", settings=("de",)),
    ]

    assert len({name_of(voice, SENTENCE) for voice in voices}) == len(voices)


def test_the_text_is_never_written_to_the_disk(tmp_path: Path) -> None:
    files(tmp_path).write(NAME, sound())
    path = only_file(tmp_path)

    assert b"hardest" not in path.name.encode() + path.read_bytes()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_voices_are_those_of_the_chain_and_differ_by_base_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERVIEW_TTS", "elevenlabs,local")
    monkeypatch.setenv("ELEVEN_API_KEY", "key")
    real = voices_of(Settings.load(_env_file=None))
    monkeypatch.setenv("ELEVENLABS_BASE_URL", "http://127.0.0.1:9/v1")
    redirected = voices_of(Settings.load(_env_file=None))

    assert list(real) == ["elevenlabs", "local"]
    assert name_of(real["elevenlabs"], SENTENCE) != name_of(redirected["elevenlabs"], SENTENCE)
    assert name_of(real["local"], SENTENCE) == name_of(redirected["local"], SENTENCE)
    assert "key" not in repr(real).replace("settings", "")


async def test_settings_choose_the_cache_folder_and_can_disable_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERVIEW_DATA_DIR", str(tmp_path))
    cache = speech_cache(Settings.load(_env_file=None))
    assert cache is not None
    assert await cache.keep("local", SENTENCE, sound())
    assert only_file(tmp_path).is_file()

    monkeypatch.setenv("INTERVIEW_PREPARED_SPEECH", "false")
    assert speech_cache(Settings.load(_env_file=None)) is None


# --- damaged files -----------------------------------------------------------------------------


def damaged(whole: bytes) -> dict[str, bytes]:
    """Return the file's content damaged in every way that the cache must detect."""
    rate = bytearray(whole)
    rate[12:16] = (16_000).to_bytes(4, "little")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    return {
        "empty": b"",
        "torn in the header": whole[:20],
        "torn": whole[:-1000],
        "torn in a sample": whole[:-1],
        "longer": whole + b"\0\0",
        "flipped": bytes(flipped),
        "another rate": bytes(rate),
        "another format": whole[:8] + b"\xff\xff" + whole[10:],
        "not ours": b"<html>" * 1000,
        "a header alone": whole[:36],
    }


@pytest.mark.parametrize("how", damaged(bytes(64)))
async def test_a_damaged_file_is_a_miss_and_is_removed(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    files(tmp_path).write(NAME, sound())
    path = only_file(tmp_path)
    path.write_bytes(damaged(path.read_bytes())[how])

    assert await store(tmp_path).find("elevenlabs", SENTENCE) is None

    assert not path.exists()
    assert "damaged" in caplog.text


def test_a_file_renamed_to_another_cache_key_is_never_used(tmp_path: Path) -> None:
    files(tmp_path).write(NAME, sound())
    other = name_of(ADA, "Goodbye.")
    only_file(tmp_path).rename(only_file(tmp_path).with_stem(other))

    assert files(tmp_path).read(other) is None


def test_a_huge_file_is_removed_and_not_read_completely(tmp_path: Path) -> None:
    files(tmp_path).write(NAME, sound())
    os.truncate(only_file(tmp_path), 50 * 1024**3)  # sparse

    assert files(tmp_path).read(NAME) is None
    assert list((tmp_path / "speech").iterdir()) == []


# --- size limit --------------------------------------------------------------------------------


def test_the_least_recently_used_files_are_removed_first(tmp_path: Path) -> None:
    kept = files(tmp_path, max_bytes=500_000)  # ten sentences of one second
    names = [name_of(ADA, f"Sentence {n}.") for n in range(10)]
    for age, name in enumerate(names):
        kept.write(name, sound())
        os.utime(tmp_path / "speech" / f"{name}.speech", (1000 + age, 1000 + age))
    assert kept.read(names[0]) is not None  # this read makes it the most recently used one

    kept.write(NAME, sound())

    left = [name for name in [*names, NAME] if kept.read(name) is not None]
    assert NAME in left
    assert names[0] in left
    assert left == [name for name in [*names, NAME] if name in left]
    assert names[1] not in left
    assert sum(p.stat().st_size for p in (tmp_path / "speech").iterdir()) <= 450_000


def test_only_temporary_files_of_dead_jobs_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    folder.mkdir()
    dead, living = folder / "a.1.00.draft", folder / "b.2.00.draft"
    dead.touch()
    living.touch()
    os.utime(dead, (1000, 1000))

    files(tmp_path).write(NAME, sound())

    assert not dead.exists()
    assert living.exists()


def test_one_job_claims_a_sentence_until_it_releases_it_or_dies(
    tmp_path: Path,
) -> None:
    one, other = files(tmp_path), files(tmp_path)

    assert one.claim(NAME)
    assert not other.claim(NAME)
    one.release(NAME)
    assert other.claim(NAME)
    os.utime(only_file(tmp_path), (1000, 1000))
    assert one.claim(NAME)


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    folder.mkdir()
    (folder / "README").write_bytes(bytes(MEGABYTE))

    files(tmp_path, max_bytes=100_000).write(NAME, sound())

    assert (folder / "README").exists()
    assert files(tmp_path).read(NAME) is not None


# --- disk failures -------------------------------------------------------------------------------


async def test_a_full_disk_stops_cache_writes_with_one_log_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kept = store(tmp_path)
    await kept.keep("elevenlabs", SENTENCE, sound())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        first = await kept.keep("elevenlabs", "Goodbye.", sound())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    second = await kept.keep("elevenlabs", "Goodbye.", sound())

    assert (first, second) == (False, False)
    assert caplog.text.count("no more writes in this job: File too large") == 1
    assert "Goodbye" not in caplog.text
    assert await kept.find("elevenlabs", SENTENCE) is not None
    assert len(list((tmp_path / "speech").iterdir())) == 1  # no partial file


async def test_a_read_only_folder_can_still_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Simulated by a failing write: these tests may run as root, whom no file mode stops."""
    kept = store(tmp_path)
    await kept.keep("elevenlabs", SENTENCE, sound())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("write_bytes", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(os, "utime", refuse)

    assert not await kept.keep("elevenlabs", "Goodbye.", sound())
    assert await kept.find("elevenlabs", SENTENCE) is not None
    assert "Read-only file system" in caplog.text


async def test_a_file_in_place_of_the_cache_folder_only_disables_the_cache(
    tmp_path: Path,
) -> None:
    (tmp_path / "speech").write_text("a file")
    kept = store(tmp_path)

    assert await kept.find("elevenlabs", SENTENCE) is None
    assert not await kept.keep("elevenlabs", SENTENCE, sound())


async def test_a_thread_that_cannot_be_started_is_a_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("worker.speech.tts.cache.in_thread", refuse)
    kept = store(tmp_path)

    assert await kept.find("elevenlabs", SENTENCE) is None
    assert not await kept.keep("elevenlabs", SENTENCE, sound())
    assert "RuntimeError" in caplog.text


async def test_a_hanging_disk_disables_the_cache_after_two_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release, asked = threading.Event(), []

    def hang(_: SpeechFiles, name: str) -> None:
        asked.append(name)
        release.wait(30)

    monkeypatch.setattr(SpeechFiles, "read", hang)
    kept = store(tmp_path)

    found = [await kept.find("elevenlabs", SENTENCE) for _ in range(3)]
    release.set()

    assert found == [None, None, None]
    assert len(asked) == 2
    assert caplog.text.count("the disk does not answer") == 1
