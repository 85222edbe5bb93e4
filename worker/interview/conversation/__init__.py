"""Turns: what the interviewer says, what of the answer counts, when a turn ends."""
