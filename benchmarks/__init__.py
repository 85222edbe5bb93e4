"""Benchmarks, each with a baseline from the same run: `make bench`, or `python -m benchmarks`."""
