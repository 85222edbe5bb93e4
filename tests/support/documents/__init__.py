"""Reads the documents of the repository, so that tests can check what the documents say."""
