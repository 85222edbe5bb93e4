"""Speech to text: the fallback, its providers, the local model."""
