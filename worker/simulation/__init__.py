"""Simulated candidates and a local LiveKit server, for the demo, tests and fault injection."""
