"""Turns: the interviewer's utterances, the candidate's answers, and the end of a turn."""
