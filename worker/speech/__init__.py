"""Speech models and fallbacks over the providers, on frames of audio."""
