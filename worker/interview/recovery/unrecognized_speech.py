"""Detection of candidate speech that yields no transcript or never ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from livekit.agents import AgentSession, UserInputTranscribedEvent, UserStateChangedEvent

logger = logging.getLogger(__name__)

#: Seconds without sound and without text after which speech counts as ended, although the VAD
#: reports speech.
HOLLOW_S: Final = 10.0
#: Shortest speech, in seconds, that is expected to have a transcript. A cough is shorter than this.
LEAST_SPEECH_S: Final = 1.0
#: Seconds from the end of speech until its transcript is no longer expected. The time is enough to
#: try every speech-to-text provider of the fallback chain.
WORDS_WITHIN_S: Final = 10.0
#: Seconds added to `WORDS_WITHIN_S` for each second of speech, because a provider without interim
#: results starts to transcribe only when the speech ends.
_WORK_PER_SECOND: Final = 0.1
#: Seconds to wait for a final transcript after this monitor has ended the speech, if no text of the
#: speech has arrived.
_LATE_WORDS_S: Final = 2.0
#: Seconds to wait for a final transcript after this monitor has ended the speech, if some text has
#: arrived. A turn with text ends on its own, after at most 6 s (`UNFINISHED_PAUSE_S`).
_LATE_TURN_S: Final = 7.0
#: Seconds from the moment at which this monitor ends the speech until the VAD is restarted.
_ANEW_S: Final = 1.0

#: Function that records a problem, named by one CamelCase word, and its duration in seconds.
Recorder = Callable[[str, float], None]


class UnrecognizedSpeechMonitor:
    """Monitor of the candidate's speech, so that no turn waits forever.

    A VAD may never report the end of speech, because the VAD's stream hangs or the audio stops.
    Speech-to-text may find no word in an answer and treat the answer as noise. Without the monitor,
    the candidate and the interviewer would then wait for each other. The monitor ends speech that
    has had no sound and no text for `HOLLOW_S` seconds. If speech yields no final transcript, the
    monitor makes the interviewer ask the question again, at most once until a final transcript
    arrives.

    Args:
        session: The session with the candidate.
        sound_at: Returns the event-loop time of the candidate's last sound.
        end_speech: Ends the speech for the VAD and for speech-to-text.
        listen_anew: Restarts the VAD. Raises RuntimeError if the session is closing.
        may_ask: Returns whether asking is useful now: the candidate can hear, the interviewer is
            silent, and speech-to-text works.
        ask_again: Asks the open question again.
        record: Called with the name of each problem, and the seconds that the problem lasted.
    """

    def __init__(
        self,
        session: AgentSession[Any],
        *,
        sound_at: Callable[[], float],
        end_speech: Callable[[], None],
        listen_anew: Callable[[], None],
        may_ask: Callable[[], bool],
        ask_again: Callable[[], Coroutine[Any, Any, None]],
        record: Recorder,
    ) -> None:
        self._session = session
        self._sound_at = sound_at
        self._end_speech = end_speech
        self._listen_anew = listen_anew
        self._may_ask = may_ask
        self._ask_again = ask_again
        self._record = record
        # Event-loop time at which the current speech began; None if the candidate is not speaking.
        self._began_at: float | None = None
        # Event-loop times of the last transcript (interim or final) and the last final transcript.
        self._text_at = self._final_at = -math.inf
        # Seconds of speech without a final transcript.
        self._spoken_s = 0.0
        # True if speech without a final transcript was ended by this monitor and not by the VAD.
        self._hollow = False
        # Event-loop time at which the last speech that this monitor ended had begun.
        self._hollow_from = -math.inf
        self._asked = False
        self._due: asyncio.TimerHandle | None = None
        self._anew: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start watching the session."""
        self._session.on("user_state_changed", self._on_state)
        self._session.on("user_input_transcribed", self._on_text)
        self._session.on("agent_state_changed", self._on_us)
        if self._session.user_state == "speaking":
            self._begins()

    def stop(self) -> None:
        """Stop watching, and cancel all timers."""
        self._session.off("user_state_changed", self._on_state)
        self._session.off("user_input_transcribed", self._on_text)
        self._session.off("agent_state_changed", self._on_us)
        self._wait_for(None)
        if self._anew is not None:
            self._anew.cancel()
        if self._asking is not None:
            self._asking.cancel()

    def _on_state(self, event: UserStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._begins()
        elif self._began_at is not None:
            self._ends(self._began_at)

    def _begins(self) -> None:
        self._began_at = _now()
        self._wait_for(HOLLOW_S, self._look_at_speech)

    def _ends(self, began_at: float) -> None:
        self._began_at = None
        # Count only speech after the last final text, because earlier speech has already been
        # transcribed.
        self._spoken_s += _now() - max(began_at, self._final_at)
        self._wait_for_words()

    def _on_text(self, event: UserInputTranscribedEvent) -> None:
        if not event.transcript.strip():
            return
        self._text_at = _now()
        if event.is_final:
            self._recognized()
        if self._began_at is None:
            self._wait_for_words()

    def words_came(self) -> None:
        """Note a final transcript that the session did not get, because it is no turn."""
        self._text_at = _now()
        self._recognized()
        if self._began_at is None:
            self._wait_for_words()

    def _recognized(self) -> None:
        self._final_at = self._text_at
        self._spoken_s, self._hollow, self._asked = 0.0, False, False

    def _on_us(self, event: Any) -> None:
        if event.new_state == "speaking" and self._began_at is None:
            self._spoken_s = 0.0
            self._wait_for(None)

    def _look_at_speech(self) -> None:
        if self._began_at is None:
            return
        newest = max(self._began_at, self._text_at, self._sound_at())
        left_s = newest + HOLLOW_S - _now()
        if left_s > 0:
            self._wait_for(left_s, self._look_at_speech)
            return
        logger.warning(
            "the VAD reported no end of the candidate's speech, so the speech was ended after "
            "silence",
            extra={"event": "speech_end_undetected"},
        )
        self._record("SpeechUnended", _now() - self._began_at)
        self._hollow, self._hollow_from = True, self._began_at
        # Set here too, in case `end_speech` has no effect.
        self._wait_for(HOLLOW_S, self._look_at_speech)
        self._anew = asyncio.get_running_loop().call_later(_ANEW_S, self._begin_anew)
        self._end_speech()

    def _begin_anew(self) -> None:
        # Restart the VAD, because a VAD that missed the end of this speech would also miss the next
        # speech.
        with contextlib.suppress(RuntimeError):  # the session is closing
            self._listen_anew()

    def _wait_for_words(self) -> None:
        if self._spoken_s < LEAST_SPEECH_S or self._asked:
            self._wait_for(None)
        else:
            within_s = WORDS_WITHIN_S + _WORK_PER_SECOND * self._spoken_s
            if self._hollow:
                # Wait, because text of the ended speech may still become a turn.
                within_s = _LATE_WORDS_S if self._text_at < self._hollow_from else _LATE_TURN_S
            self._wait_for(within_s, self._give_up_words)

    def _give_up_words(self) -> None:
        if not self._may_ask():
            return
        logger.warning(
            "no final transcript of the candidate's speech arrived, asking the question again",
            extra={"event": "final_transcript_missing"},
        )
        self._record("NoWords", self._spoken_s)
        self._spoken_s, self._hollow, self._asked = 0.0, False, True
        self._asking = asyncio.create_task(self._ask(), name="ask-again")

    async def _ask(self) -> None:
        try:
            await self._ask_again()
        except Exception as error:  # the interview is ending
            logger.warning(
                "asking the question again failed: %s",
                type(error).__name__,
                extra={"event": "question_repeat_failed"},
            )

    def _wait_for(self, seconds: float | None, then: Callable[[], None] | None = None) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if seconds is not None and then is not None:
            self._due = asyncio.get_running_loop().call_later(seconds, then)


def _now() -> float:
    return asyncio.get_running_loop().time()
