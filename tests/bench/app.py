"""The app as the benches of fetches have it, against a platform of theirs."""

import os


def start(url: str, folder: str, **variables: str) -> None:
    """Set the app up on the database of DATABASE_URL, or else on an SQLite in `folder`.

    `url`: where the platform answers; `variables`: of the environment, beside the usual ones.
    """
    os.environ |= {
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/bench.sqlite3",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DS_API_TOKEN": "a" * 84,
        "DS_API_URL": url,
        "DS_SANDBOX": "",
        "DEBUG": "",
        "LOG_LEVEL": "WARNING",
        "SECRET_KEY": "for the bench only",
    } | variables
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
