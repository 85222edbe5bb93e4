"""Checks that find faults of a deployment before an interview does, from the outside in.

A check is a function of a `CheckContext` that returns one `Finding`. `registry.CHECKS` lists the
checks, and `runner.run_checks` runs them concurrently.
"""
