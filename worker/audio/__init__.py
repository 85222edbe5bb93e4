"""Audio frames, audio input, the output mixer, and its sinks. Any process; imports aio."""
