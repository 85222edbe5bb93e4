"""Record the bundled clips: `python -m scripts.record_clips [FOLDER]`.

Run this script after a change to the clip texts in `worker/clips/recordings.py` or
`worker/job/apology.py`, and commit the files that the script writes. The local voice speaks the
texts. With Opus at 24 kbit/s, all clips together have less than 100 kB.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from worker.audio import dsp
from worker.clips.recordings import ClipName
from worker.job import apology
from worker.speech import local_models

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_BIT_RATE = 24_000
_OPUS_RATE = 48_000
# Peak amplitude of a clip, from 0 to 1. This is -3 dB of full scale, about as loud as cloud voices.
_PEAK = 0.7


def encode(pcm: npt.NDArray[np.int16], sample_rate: int) -> bytes:
    """Encode 16-bit mono samples as Opus at 24 kbit/s in an Ogg file."""
    target = io.BytesIO()
    with av.open(target, mode="w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=_OPUS_RATE, layout="mono")
        stream.bit_rate = _BIT_RATE
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(format="s16", layout="mono", rate=_OPUS_RATE)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    return target.getvalue()


#: The words of each recording, by its path below the folder `worker`.
RECORDINGS = {f"clips/{name.value}.opus": name.text for name in ClipName} | {
    f"job/{apology.NAME}.opus": apology.TEXT
}


def record(text: str) -> bytes:
    """Synthesize a text with the local voice, and encode the speech.

    Raises:
        LocalSpeechUnavailable: the local voice is not available on this machine.
    """
    samples = local_models.synthesize(text)
    pcm = dsp.to_pcm(samples * np.float32(_PEAK / np.abs(samples).max()))
    return encode(pcm, local_models.TTS_SAMPLE_RATE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record every clip below the given folder, by default below worker."""
    parser = argparse.ArgumentParser(description="Record the bundled clips.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(__file__).parents[1] / "worker",
        help="output folder",
    )
    folder: Path = parser.parse_args(arguments).folder
    for name, text in RECORDINGS.items():
        recording = record(text)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(recording)
        print(f"{name}  {len(recording)} bytes")


if __name__ == "__main__":
    main()
