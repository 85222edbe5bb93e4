"""One interviewer for an interview, and somebody who comes back: docs/continuity.md."""
