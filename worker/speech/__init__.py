"""Speech models and fallback chains of speech providers, which process audio frames."""
