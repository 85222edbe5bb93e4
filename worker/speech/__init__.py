"""Speech models, and fallback chains of speech providers. All of them work on frames of audio."""
