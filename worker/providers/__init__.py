"""The vendors of speech and language: makes the members of the fallback chains."""
