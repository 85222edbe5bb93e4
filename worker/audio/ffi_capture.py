"""Send audio to a LiveKit audio source without an event loop, from any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2

if TYPE_CHECKING:
    from livekit import rtc


class StraightUnavailable(Exception):
    """Raised when audio cannot be sent without the event loop, because the SDK has changed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "cannot play audio while the event loop is blocked: livekit's SDK has changed"
            f" ({type(error).__name__})"
        )


def capture_via_ffi(source: rtc.AudioSource, frame: rtc.AudioFrame) -> None:
    """Queue a frame, which must fit into the free space of the source's queue.

    `AudioSource.capture_frame` (livekit 1.1.21) sends the same request, and then waits on its event
    loop for the library's answer, which only confirms that the frame was taken. LiveKit's native
    library has its own threads. The library copies the samples before the request returns, and
    plays the samples independently of Python.

    Raises StraightUnavailable if the SDK's private functions that are called here have changed.
    """
    try:
        request = ffi_pb2.FfiRequest()
        request.capture_audio_frame.source_handle = source._ffi_handle.handle
        request.capture_audio_frame.buffer.CopyFrom(frame._proto_info())
        FfiClient.instance.request(request)
    except Exception as error:  # another version of the SDK may raise any error
        raise StraightUnavailable(error) from error
