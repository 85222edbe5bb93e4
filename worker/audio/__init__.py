"""Audio frames, audio input, the output mixer, and its sinks. All processes use this package."""
