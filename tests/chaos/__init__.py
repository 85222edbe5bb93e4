"""Seeded random faults in real interviews, and a checker that does not use the worker's code.

`kinds` names the faults, `schedule` draws them, `world` starts the real parts, `strikes` triggers
the faults, `person` is the candidate, `burst` has the candidates of a burst, and `run` combines
them. `watch` measures when the database took writes and when a slot was free. `evidence` collects
the results, `checker` checks them, and `report` prints them.
"""
