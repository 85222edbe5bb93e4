"""Helpers for asyncio and threads. Imports nothing of this project."""
