"""The times and shares of turn-taking, each with its source.

`REQ` is a requirement of the interview: the maximum that a candidate may notice. The other figures
are chosen so that these requirements hold. Voiced seconds are seconds in which the voice activity
detector (VAD) hears speech; the silence after speech does not count.
"""

from __future__ import annotations

from typing import Final

#: REQ: maximum gap in the interviewer's line after a backchannel such as "mm-hm".
BACKCHANNEL_GAP_S: Final = 0.3
#: REQ: maximum gap in the line after a cough, a door or a keyboard.
COUGH_GAP_S: Final = 0.8
#: REQ: maximum time from an interruption until the interviewer is silent, at the end of a word.
STOP_WITHIN_S: Final = 0.9
#: REQ: maximum time until the interviewer is silent if the candidate continues an answer.
WITHDRAW_WITHIN_S: Final = 0.3

#: In the first seconds of a line after a pause of the candidate, a sound counts as the rest of the
#: candidate's answer. Measured: after a pause of 2.5 s, a fixed patience of 1.8 s cuts answers in
#: two.
OPENING_S: Final = 2.5

#: Voiced seconds after which the line pauses, if no words are known. Measured with Silero: "Uh."
#: has 0.42 s of sound, and "Mm-hmm.", "Yeah." and "Okay." reach 0.5 s. So most backchannels end
#: before the line pauses.
PAUSE_AFTER_S: Final = 0.6
#: Maximum time that a pause or a stop waits for the end of a word. At 15 characters per second,
#: most words are shorter. 0.6 s and 0.25 s leave 0.05 s of `STOP_WITHIN_S` for the audio output.
WORD_END_WITHIN_S: Final = 0.25

#: A sound with fewer voiced seconds and without words is a cough. Hume's voice interface uses the
#: same limit for interruptions.
COUGH_S: Final = 0.8
#: Maximum number of words of a backchannel. Rasa CALM counts an interruption from three words on.
BACKCHANNEL_WORDS: Final = 2
#: Voiced seconds after which the line pauses although the words so far are a backchannel. Two slow
#: words are shorter.
BACKCHANNEL_S: Final = 1.2
#: Time after a sound, or after its last words, in which more words are expected. Measured: the
#: local speech-to-text returns its transcript 0.88 to 0.98 s after the last sound.
WORDS_WITHIN_S: Final = 1.0
#: Time after the end of a sound in which words are still those of this sound, although a line of
#: the interviewer has begun. Later words are taken for new speech that the VAD has missed.
LATE_WORDS_S: Final = 2.0
#: Maximum time of an undecided sound without new words. The dialogue calls 30 s of speech-like
#: sound without words "babble". The local speech-to-text returns its text at least every 20 s.
LONGEST_UNDECIDED_S: Final = 30.0
#: Two sounds with a shorter silence between them are one sound.
SAME_SOUND_S: Final = 0.3

#: Share of the words of a transcript that must come from the interviewer's line, in the same order,
#: for the transcript to be an echo.
ECHO_SHARE: Final = 0.6
#: Seconds of the interviewer's line that are compared with a transcript.
ECHO_WINDOW_S: Final = 10.0
#: Seconds by which a word of the interviewer may precede its echo. The sum of the delay of an echo
#: (0.25 to 0.3 s) and the error of estimated word times.
ECHO_SLACK_S: Final = 1.5
#: Minimum number of words of a transcript that proves an echo. A shorter one may match by chance.
ECHO_WORDS: Final = 3
#: Minimum number of words of an echo at the beginning of a longer transcript, as long as no echo is
#: known: an answer may begin with a few words of the question.
ECHO_BEFORE_WORDS: Final = 6

#: A sound that begins in the last second of a line is the beginning of the answer. livekit-agents
#: has the same figure (`backchannel_boundary`).
ANSWER_BEGINS_S: Final = 1.0
