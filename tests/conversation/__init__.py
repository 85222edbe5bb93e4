"""Conversations with a candidate, and the phrasings that they are measured with."""
