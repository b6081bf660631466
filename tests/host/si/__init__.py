"""A project that is not ours: what an administration may have had for years before it took us in.

It follows docs/integration.md to the letter, and otherwise does all it can to be in the way.
"""

from si.celery import app as celery_app

__all__ = ["celery_app"]
