"""Seeded random faults in real interviews, and a checker that does not use the worker's code.

`schedule` draws the faults, `world` starts the real parts, `strikes` triggers the faults, `person`
is the candidate, and `run` combines them. `evidence` collects the results, `checker` checks them,
and `report` prints them.
"""
