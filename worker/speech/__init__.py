"""Speech models, and fallback chains of speech providers, which work on frames of audio."""
