"""The dialogue of an interview as an explicit table: what the interviewer says next, and why.

A candidate's turn is an act (`acts`), everything else that happens is an event (`events`). A row of
the table (`table`) maps the phase, the act or event, and a guard to the moves of the interviewer,
the next phase and the effects. `decide` takes the row; `records` stores what was decided; `fold`
computes the state of the dialogue from the stored records alone. Nothing here knows LiveKit, a
database or a clock.
"""
