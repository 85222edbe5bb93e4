"""Seeded random faults on real interviews, and a checker that knows only what a candidate could.

`schedule` draws the faults, `world` is the real parts, `strikes` does the faults, `person` is the
candidate, `run` puts them together, `evidence` reads what is left, `checker` judges it, `report`
says so.
"""
