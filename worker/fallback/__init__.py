"""Fallback chains of providers: which one serves, when a failed one is tried again."""
