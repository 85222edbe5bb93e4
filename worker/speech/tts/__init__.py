"""Text to speech: the fallback, its attempts, the cache, the local model."""
