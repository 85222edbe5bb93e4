"""Speech to text: the fallback chain, the streams of its providers, the local model."""
