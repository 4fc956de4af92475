"""What a preference loss owes, and what it does: one check per file.

To add a check, copy `finite.py`: the docstring is the statement, `run(subject, rng)` decides it, the record at the end names it.
Files are found by their record; nothing else needs to be registered.
"""
