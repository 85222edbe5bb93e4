"""Fallback chains: a chain chooses which provider serves, and when a failed one is retried."""
