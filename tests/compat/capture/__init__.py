"""Captures what this version stores and prints: `python -m tests.compat.capture FOLDER`."""
