"""What a job loads, declared: VAD, speech, database. Job process."""
