"""A candidate and a LiveKit server on this machine, for the demo, tests and rehearsals."""
