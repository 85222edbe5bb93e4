"""Fallback chains: a chain chooses which provider serves, and when it retries a failed provider."""
