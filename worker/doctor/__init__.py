"""What is wrong with a set-up before an interview finds out: checks, from the outside in.

A check is a function of a `Visit` that returns one `Finding`; `registry.CHECKS` has them all, and
`examination.examine` runs them side by side.
"""
