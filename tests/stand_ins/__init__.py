"""Servers and lines that tests put where the real ones would be."""
