"""Turn-taking: who may interrupt whom (`Floor`), and which silence ends a turn (`Patience`).

The package uses neither LiveKit nor a database nor a clock: every input carries its time.
Interviews use `Floor` (`worker.interview.conversation.live_floor`), and not `Patience` yet.

**How it decides.** A sound over the interviewer's line pauses the line before it is known what the
sound is, and only final words end the line. A pause can be taken back, so it may come early: a
cough or a backchannel costs a short gap, and a real interruption finds the interviewer silent. In
the first 2.5 s after a pause of the candidate, a sound withdraws the line at once, because the
candidate is probably continuing an answer. `floor_state` has all states and transitions, `figures`
the times and shares with their sources.

**How an interview feeds `Floor`** (all times from `loop.time()`):

- `LineBegins`: event `playback_started` of the audio output, with the text of the utterance that
  `speech_created` announced. `hotword` for the goodbye; `withdrawable` if the dialogue has a row
  for it. A recorded clip is a line as well, which can be neither paused nor withdrawn.
- `Position`: the playout of the audio output, with each event of the VAD.
- `LineEnds`: event `playback_finished` of the audio output; `complete` if it was not interrupted.
- `SoundBegins`, `SoundGoesOn`, `SoundEnds`: the events of the VAD stream (`VoicedSound`).
  `user_state_changed` is too late and counts silence. `VADEvent.speech_duration` contains up to
  0.55 s of silence as well; instead, the windows of INFERENCE_DONE count whose `probability`
  reaches the threshold. A sound begins with START_OF_SPEECH, and ends after 0.2 s below the
  threshold, or with END_OF_SPEECH.
- `Words`: each event of `Agent.stt_node`, before it is passed on to the session, with the act that
  the classifier reads. If an OVERLAP or ECHO is decided, only `Decision.rest` is passed on, so that
  the other words become no turn.
- `Tick`: `loop.call_at(floor.due)`, set again after each input.

**How an interview carries the decisions out:**

- DUCK: nothing.
- PAUSE and RESUME: `session.output.audio.pause()` and `resume()`.
- STOP: `session.interrupt(force=True)`. The dialogue gets GRAB with `Decision.share`.
- WITHDRAW: `session.output.audio.pause()` at once, then `session.interrupt(force=True)`. The
  dialogue gets WITHDRAWN.
- JOIN: the words belong to the question of the line before. With the verdict HOTWORD or STOP_WORD
  they are about the line, and the dialogue gets WITHDRAWN_IN_VAIN before them.
- SAY_AGAIN: the dialogue gets WITHDRAWN_IN_VAIN, and the line is begun again from its start.
- OVERLAP and ECHO: a record without the text; a second ECHO leads to the headphones hint.

The session must not interrupt by itself: it pauses the agent with each sound that starts the VAD,
and ends its speech with each final transcript. So a speech has `allow_interruptions` False while it
is played, and the session has the option `discard_audio_if_uninterruptible` False. Such a session
also drops a turn that ends during the speech; so interruptions are allowed again before words of a
turn are passed on, and these words wait until a line that stops at the end of a word has stopped.

**How an interview uses `Patience`:** at each silence, `ending_of` and `Patience.silence_s` give the
session's endpointing delays (`AgentSession.update_options`), both with the same value. The act
comes from the classifier, and `unfinished` from the end-of-turn detector
(`SupervisedTurnDetector`). A `SoundBegins` while no line sounds, after a sound of the same turn,
ends a pause inside an answer: `Patience.note_pause`.
"""
