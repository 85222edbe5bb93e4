"""Transports of a job process: a LiveKit room or a local socket."""
