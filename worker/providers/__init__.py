"""Providers of speech and language models: creates the members of the fallback chains."""
