"""Frozen phrasings of candidates (README.md)."""
