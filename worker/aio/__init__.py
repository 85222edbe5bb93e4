"""Helpers for asyncio and threads. This package imports nothing else of this project."""
