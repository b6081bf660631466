"""What a process of its own needs to work on the database of the test, with the test's sandbox."""

import os
from pathlib import Path

from django.conf import settings
from django.db import connection

from dsintegration.sandbox import TOKEN, Sandbox
from tests.settings import EMPTY

PROJECT = Path(__file__).parent.parent


def environment(sandbox: Sandbox, **more: str) -> dict[str, str]:
    options = settings.DATABASES["default"]
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = f"postgres://{options['USER']}@{options['HOST']}:{options['PORT']}/{name}"
    ours = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "for the tests only",
        "DATABASE_URL": url,
        "DS_API_URL": sandbox.url,
        "DS_API_TOKEN": TOKEN,
        "DS_SITE_URL": "https://demarche.example.org",
    }
    return EMPTY | ours | more
