"""Fuzzing: documents that are mostly valid, then damaged, and what each parser must keep to.

`python -m tests.fuzz --minutes 60`, as `make fuzz MINUTES=60` does, runs these tests with many
examples. tests/fuzz/README.md describes them.
"""
