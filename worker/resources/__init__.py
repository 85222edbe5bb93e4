"""Declarations of the resources that a job process loads: VAD, speech, database."""
