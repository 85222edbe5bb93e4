"""The environment of the process: its settings, and what its container and its system allow."""
