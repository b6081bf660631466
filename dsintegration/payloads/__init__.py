"""What is asked of a dossier beyond its own columns, and what an answer must contain.

Nothing is imported here: who only needs a selection is not to wait for pydantic.
"""
