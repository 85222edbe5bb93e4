"""Passes the events of changing providers to a listener, as if they came from one provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from livekit.agents import stt

_FINAL: Final = stt.SpeechEventType.FINAL_TRANSCRIPT
_INTERIM: Final = stt.SpeechEventType.INTERIM_TRANSCRIPT
_TEXTS: Final = (_INTERIM, stt.SpeechEventType.PREFLIGHT_TRANSCRIPT, _FINAL)


def has_text(event: stt.SpeechEvent) -> bool:
    """Return whether an event is an interim or final transcript with text."""
    return event.type in _TEXTS and bool(event.alternatives and event.alternatives[0].text)


class Delivery:
    """Passes the events of the provider in use on to the listener.

    START_OF_SPEECH and END_OF_SPEECH always alternate.

    While a provider transcribes buffered speech, the listener gets final transcripts as interim
    text (`show`), and no END_OF_SPEECH. Afterwards `release` gives the listener one final
    transcript of all buffered speech. The listener would take each separate final transcript of
    buffered speech for a whole turn, because the listener measures silence from the end of the
    speech to the transcript.

    Args:
        send: Gives an event to the listener.
        catching_up: Returns whether the provider in use still transcribes buffered speech.
    """

    def __init__(
        self, send: Callable[[stt.SpeechEvent], None], catching_up: Callable[[], bool]
    ) -> None:
        self._send = send
        self._catching_up = catching_up
        #: True if a START_OF_SPEECH was passed on and its END_OF_SPEECH was not passed on yet.
        self._announced = False
        self._newest_end: stt.SpeechEvent | None = None
        #: Final transcripts, and the END_OF_SPEECH after them, that `release` will pass on.
        self._finals: list[stt.SpeechEvent] = []
        self._end: stt.SpeechEvent | None = None

    def take(self, event: stt.SpeechEvent) -> None:
        """Pass on, hold or drop an event of the provider."""
        if event.type is stt.SpeechEventType.START_OF_SPEECH:
            self._end = None
            if not self._announced:
                self._announced = True
                self._send(event)
        elif event.type is stt.SpeechEventType.END_OF_SPEECH:
            if self._catching_up():
                self._end = event
            else:
                self.end_announced(event)
        elif has_text(event) and self._catching_up():
            if event.type is _FINAL:
                self._finals.append(event)
            else:
                self._send(_as_interim([*self._finals, event]))
        else:
            self._send(event)

    def show(self) -> None:
        """Pass on the held final transcripts as interim text.

        If no transcript is held, do nothing.
        """
        if self._finals:
            self._send(_as_interim(self._finals))

    def release(self) -> None:
        """Pass on the held events: one joined final transcript, then the END_OF_SPEECH."""
        finals, self._finals = self._finals, []
        end, self._end = self._end, None
        if finals:
            self._send(_joined(finals))
        if end is not None:
            self.end_announced(end)

    def end_announced(self, event: stt.SpeechEvent | None = None) -> None:
        """Pass on END_OF_SPEECH if the last START_OF_SPEECH has had no END_OF_SPEECH yet."""
        if self._announced:
            self._announced = False
            end = event or stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH)
            self._newest_end = end
            self._send(end)

    def repeat_end(self) -> None:
        """Pass on the newest END_OF_SPEECH again, unless speech has begun since."""
        if self._newest_end is not None and not self._announced:
            self._send(self._newest_end)


def _as_interim(events: Sequence[stt.SpeechEvent]) -> stt.SpeechEvent:
    return replace(_joined(events), type=_INTERIM)


def _joined(events: Sequence[stt.SpeechEvent]) -> stt.SpeechEvent:
    """Return one event with the text of all `events`, of which there must be at least one."""
    if len(events) == 1:
        return events[0]
    parts = [event.alternatives[0] for event in events]
    whole = replace(
        parts[-1],
        text=" ".join(part.text.strip() for part in parts),
        start_time=parts[0].start_time,
        confidence=min(part.confidence for part in parts),
        words=[word for part in parts for word in part.words or ()] or None,
    )
    return replace(events[-1], alternatives=[whole])
