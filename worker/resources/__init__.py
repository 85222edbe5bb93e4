"""Declarations of the resources that a job loads: VAD, speech, database. Job process."""
