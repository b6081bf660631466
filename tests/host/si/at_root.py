"""The same project without its prefixes: the app's own tests know its addresses as they stand."""

from si.settings import *  # noqa: F403

ROOT_URLCONF = "si.urls_at_root"
FORCE_SCRIPT_NAME = None
