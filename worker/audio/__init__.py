"""Audio frames, audio input, the output mixer and its sinks, for the main process and the jobs."""
