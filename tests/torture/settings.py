"""The project's settings, with all that any library logs, at every level, in one more file."""

import os

from config.settings import *  # noqa: F403

LOGGING["handlers"]["torture"] = {  # noqa: F405
    "class": "logging.FileHandler",
    "filename": os.environ["TORTURE_LOG"],
    "encoding": "utf-8",
}
LOGGING["handlers"]["stderr"]["level"] = LOGGING["root"]["level"]  # noqa: F405
LOGGING["root"] = {"level": "DEBUG", "handlers": ["stderr", "torture"]}  # noqa: F405
