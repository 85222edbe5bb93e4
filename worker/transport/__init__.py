"""Transports of a job: a LiveKit room or a local socket. They run in the job process."""
