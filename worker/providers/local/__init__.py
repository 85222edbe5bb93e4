"""Speech models inside the worker, in both directions."""
