"""Audio frames, the output mixer, and what plays it. Any process; imports aio."""
