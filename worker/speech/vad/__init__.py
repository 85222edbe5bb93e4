"""Voice activity detection: Silero, and what stands in for it."""
