"""A candidate and a LiveKit server on this machine, for demo, tests and fault injection runs."""
