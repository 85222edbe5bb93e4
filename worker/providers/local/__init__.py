"""Speech models inside the worker: speech to text and text to speech."""
