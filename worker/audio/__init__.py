"""Audio frames, audio input, the output mixer, and its sinks. The main process and the jobs use it."""
