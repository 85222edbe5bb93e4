"""The TTS cache, shared by several processes of a machine."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from worker.speech.tts.cache import Voice, name_of
from worker.speech.tts.cache_files import SpeechFiles

if TYPE_CHECKING:
    from pathlib import Path

ADA = Voice(provider="elevenlabs", voice="ada", model="turbo", settings=("en",))
NAME = name_of(ADA, "What was the hardest part of it?")

_WRITE_OFTEN = """
import sys
from pathlib import Path
import numpy as np
from worker.speech.tts.cache_files import SpeechFiles
kept = SpeechFiles(Path(sys.argv[1]), max_bytes=10_000_000)
for _ in range(200):
    kept.write(sys.argv[2], np.full(5000, int(sys.argv[3]), np.int16))
"""


def test_two_processes_writing_the_same_sentence_leave_one_complete_file(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    files = SpeechFiles(folder, max_bytes=10_000_000)
    command = [sys.executable, "-c", _WRITE_OFTEN, str(folder), NAME]
    writers = [subprocess.Popen([*command, level]) for level in ("100", "200")]
    seen: set[bytes] = set()
    while any(writer.poll() is None for writer in writers):
        if (found := files.read(NAME)) is not None:
            seen.add(found.tobytes())

    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen
    assert seen <= {np.full(5000, level, np.int16).tobytes() for level in (100, 200)}
    assert len(list(folder.iterdir())) == 1
