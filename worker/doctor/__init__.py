"""Checks that find problems of a deployment before an interview is affected by them.

A check is a function of a `CheckContext` that returns one `Finding`. `registry.CHECKS` lists the
checks, and `runner.run_checks` runs them concurrently.
"""
