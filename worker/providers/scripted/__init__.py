"""The vendor `scripted`: the interviewer says the plan's texts without a language model."""
