"""Transports of a job: a LiveKit room, or memory in tests. They run in the job process."""
