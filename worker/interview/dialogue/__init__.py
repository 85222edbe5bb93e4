"""The dialogue of an interview as an explicit table: what the interviewer says next, and why.

Each turn of the candidate is classified as an act (`acts`, `classify`). Everything else that
happens is an event (`events`). A row of the table (`table`) maps the phase, the act or event, and a
guard to the moves of the interviewer, the next phase and the effects. `decide` selects the row for
an act or event, and `wording` turns its moves into words; `records` stores the decision; `fold`
computes the state of the dialogue from the stored records alone. `floor` is turn-taking.

`worker.interview.tracker` holds the dialogue of a running interview, and
`worker.interview.conversation.live_floor` its floor. The package uses neither LiveKit nor a
database nor a clock.
"""
