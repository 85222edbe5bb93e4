"""Turn-taking: who may interrupt whom (`Floor`), and which silence ends a turn (`Patience`).

The package uses neither LiveKit nor a database nor a clock: every input carries its time.
Interviews do not use it yet.

**How it decides.** A sound over the interviewer's line pauses the line before it is known what the
sound is, and only final words end the line. A pause can be taken back, so it may come early: a
cough or a backchannel costs a short gap, and a real interruption finds the interviewer silent. In
the first 2.5 s after a pause of the candidate, a sound withdraws the line at once, because the
candidate is probably continuing an answer. `floor_state` has all states and transitions, `figures`
the times and shares with their sources.

**How an interview feeds `Floor`** (all times from `loop.time()`):

- `LineBegins`: event `playback_started` of the session's audio output, with the text of the
  utterance that `speech_created` announced. `hotword` for the moves DISCLOSE and GOODBYE;
  `withdrawable` if the guard `can_withdraw` of the dialogue holds.
- `Position`: the playout of the audio output, with each frame of the VAD.
- `LineEnds`: event `playback_finished` of the audio output; `complete` if it was not interrupted.
- `SoundBegins`, `SoundGoesOn`, `SoundEnds`: the events of the VAD stream. `user_state_changed` is
  too late and counts silence. `VADEvent.speech_duration` contains up to 0.55 s of silence as well;
  instead, count the frames of INFERENCE_DONE whose `probability` reaches the activation threshold.
  A sound begins with START_OF_SPEECH, and ends after 0.2 s below the threshold, or with
  END_OF_SPEECH.
- `Words`: each event of `Agent.stt_node`, before it is passed on to the session, with the act that
  the classifier reads. If an OVERLAP or ECHO is decided, the event is not passed on, so that its
  text becomes no turn.
- `Tick`: `loop.call_at(floor.due)`, set again after each input.

**How an interview carries the decisions out:**

- DUCK: a lower gain of the audio output, or nothing.
- PAUSE and RESUME: `session.output.audio.pause()` and `resume()`.
- STOP: `session.interrupt(force=True)`. The dialogue gets GRAB with `Decision.share`.
- WITHDRAW: `session.output.audio.pause()` at once, then `session.interrupt(force=True)`. The
  dialogue gets WITHDRAWN.
- JOIN: `Patience.withdrawn`. The words belong to the question of the line before.
- SAY_AGAIN: the dialogue gets WITHDRAWN_IN_VAIN, and the line is begun again from its start.
- OVERLAP and ECHO: a record with `Decision.text`; a second ECHO leads to the headphones hint.

The session must not interrupt by itself: it pauses the agent with each sound that starts the VAD,
and ends its speech with each final transcript. So the session has the option `interruption` with
`enabled` False and `discard_audio_if_uninterruptible` False. Such a session also drops a turn that
ends while a speech is unfinished; STOP and WITHDRAW come before, with the final words.

**How an interview uses `Patience`:** at each silence, `ending_of` and `Patience.silence_s` give the
session's endpointing delays (`AgentSession.update_options`), both with the same value. The act
comes from the classifier, and `unfinished` from the end-of-turn detector
(`SupervisedTurnDetector`). A `SoundBegins` while no line sounds, after a sound of the same turn,
ends a pause inside an answer: `Patience.note_pause`.
"""
