"""The trial by fault: the app between a platform that misbehaves and a database that fails.

test_torture.py puts each fault of the table (faults.py) once between the app, in process, and the
sandbox. `python -m tests.torture` does so again with real processes, then kills them, takes the
database away and fills the disk; it prints what was tried and what survived.
"""
