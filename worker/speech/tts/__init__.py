"""Text to speech: the fallback chain, synthesis attempts, the TTS cache, the local model."""
