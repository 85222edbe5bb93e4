"""Reads, judges and lists the licences of all packages that an installation includes."""
