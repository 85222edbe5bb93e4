"""Voice activity detection: Silero, its supervision, and a fallback by loudness."""
