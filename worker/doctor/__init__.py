"""Checks that find faults of a deployment before an interview does, from the outside in.

A check is a function of a `Visit` that returns one `Finding`. `registry.CHECKS` lists the checks,
and `examination.examine` runs them concurrently.
"""
