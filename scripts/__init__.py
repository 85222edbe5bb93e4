"""Maintenance scripts of the project, which are not part of its wheel."""
