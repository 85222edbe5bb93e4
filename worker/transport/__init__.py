"""Transports of a job, used in the job process: a LiveKit room, or memory in tests."""
