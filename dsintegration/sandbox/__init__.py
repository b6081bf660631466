"""A stand-in for the platform that speaks its real protocol, on loopback.

It knows nothing of the application. `manage.py` starts one when DS_SANDBOX=1; tests start theirs.
"""

from dsintegration.sandbox.server import TOKEN, Reply, Sandbox, running_sandbox, schema

__all__ = ["TOKEN", "Reply", "Sandbox", "running_sandbox", "schema"]
