"""The plan of an interview: its questions, and the validation of the file they come from."""
