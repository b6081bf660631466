"""How settings are read from the environment.

An empty variable is an unset one. A value that cannot be used stops the start with one French
sentence that names the variable and never repeats the value: it may be a secret.
"""

import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from dsintegration.hosting import MEMORY_OPTIONS

BASE_DIR = Path(__file__).resolve().parent.parent

# Some editors begin a text with a byte-order mark.
ENCODING = "utf-8-sig"

TRUE = {"1", "true", "yes", "on", "oui"}
FALSE = {"0", "false", "no", "off", "non"}


def read_file(path: Path) -> None:
    """Add to the environment what a .env file says and the environment does not."""
    try:
        lines = path.read_text(encoding=ENCODING).splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as err:
        raise ImproperlyConfigured(
            f"{path.name} ne peut pas être lu ({type(err).__name__}) : il doit être un texte en "
            "UTF-8, que ce compte peut lire."
        ) from err
    for place, line in enumerate(lines, start=1):
        # The library would pass over such a line, and log it with the secret that it may hold.
        if line.strip() and not re.match(r"#|(export )?[A-Za-z_0-9]+=", line):
            raise ImproperlyConfigured(
                f"{path.name}, ligne {place} : écrivez NOM=valeur, sans blanc autour du signe =."
            )
    environ.Env.read_env(path, encoding=ENCODING)


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def secret(name: str) -> str:
    """The variable `name`, or what is in the file that `<name>_FILE` points to."""
    value, path = text(name), text(f"{name}_FILE")
    if value and path:
        raise ImproperlyConfigured(f"{name} et {name}_FILE sont remplis tous deux : gardez l'un.")
    if not path:
        return value
    try:
        content = Path(path).read_text(encoding=ENCODING).strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ImproperlyConfigured(
            f"Le fichier donné par {name}_FILE ne peut pas être lu ({type(err).__name__})."
        ) from err
    if not content:
        raise ImproperlyConfigured(f"Le fichier donné par {name}_FILE est vide.")
    return content


def secrets(name: str) -> list[str]:
    """Several of them: between commas, or one a line of the file."""
    return [item.strip() for item in re.split(r"[,\r\n]", secret(name)) if item.strip()]


def boolean(name: str, *, default: bool = False) -> bool:
    value = text(name).lower()
    if value and value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} doit valoir 1 ou 0.")
    return value in TRUE if value else default


def number(name: str, default: float) -> float:
    try:
        return float(text(name) or default)
    except ValueError as err:
        raise ImproperlyConfigured(f"{name} doit être un nombre, par exemple {default}.") from err


def integer(name: str, default: int) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ImproperlyConfigured(f"{name} doit être un nombre entier, par exemple {default}.")
    return int(value)


def days(name: str) -> list[date]:
    """Those between the commas."""
    try:
        return [date.fromisoformat(item) for item in items(name)]
    except ValueError as err:
        raise ImproperlyConfigured(f"{name} doit être une date, par exemple 2027-06-30.") from err


def choice(name: str, values: tuple[str, ...], default: str) -> str:
    value = text(name, default).upper()
    if value not in values:
        raise ImproperlyConfigured(f"{name} doit valoir {', '.join(values)}.")
    return value


def items(name: str) -> list[str]:
    """What stands between the commas."""
    return [item.strip() for item in text(name).split(",") if item.strip()]


def cache(name: str, default: str) -> dict[str, Any]:
    """The options of `CACHES["default"]` for a cache address (`redis://…`, `locmemcache://`)."""
    url = text(name, default)
    if url.partition(":")[0] not in {"redis", "rediss", "locmemcache", "dummycache"}:
        raise ImproperlyConfigured(
            f"{name} doit être une adresse comme redis://serveur:6379/0 ou locmemcache://."
        )
    options: dict[str, Any] = dict(environ.Env.cache_url_config(url))
    if options["BACKEND"].endswith("LocMemCache"):
        options["OPTIONS"] = MEMORY_OPTIONS
    if options["BACKEND"].endswith("RedisCache"):
        options["BACKEND"] = "dsintegration.hosting.cache.RedisCache"
        # Seconds; without them a request waits for minutes on a host that does not answer.
        limits = {"socket_connect_timeout": 1, "socket_timeout": 1}
        options["OPTIONS"] = limits | options.get("OPTIONS", {})
    return options


def broker(name: str) -> str:
    """The address of what hands out tasks, Redis or RabbitMQ; "" if there is none."""
    url = text(name)
    if url and not re.match(r"(rediss?|amqps?)://[^/]", url):
        raise ImproperlyConfigured(
            f"{name} doit être une adresse comme redis://serveur:6379/1 ou "
            "amqp://compte:mot-de-passe@serveur:5672/hote."
        )
    return url


def email(name: str, default: str) -> dict[str, Any]:
    """Django's `EMAIL_*` settings for a mail server's address (`smtp+tls://…`, `consolemail://`)."""
    url = text(name, default)
    try:
        options: dict[str, Any] = dict(environ.Env.email_url_config(url))
        if options["EMAIL_BACKEND"].endswith("smtp.EmailBackend") and not options["EMAIL_HOST"]:
            raise ValueError("no host")
    except (ValueError, ImproperlyConfigured):
        # What went wrong is not repeated, nor chained: it may hold the password.
        raise ImproperlyConfigured(
            f"{name} doit être une adresse comme "
            "smtp+tls://compte:mot-de-passe@serveur:587 ou consolemail://."
        ) from None
    options.pop("OPTIONS", None)
    return {key: value for key, value in options.items() if value not in (None, "")}


def database(name: str, default: str) -> dict[str, Any]:
    """The options of `DATABASES["default"]` for a database address (`sqlite:///…`, `postgres://…`).

    The path of an SQLite file is relative to the project's folder, wherever the command runs.
    """
    url = text(name, default)
    try:
        if url.partition(":")[0] not in {"sqlite", "postgres", "postgresql"}:
            raise ValueError("unknown database")
        options: dict[str, Any] = dict(environ.Env.db_url_config(url))
    except ValueError:
        # What went wrong is not repeated, nor chained: it may hold the password.
        raise ImproperlyConfigured(
            f"{name} doit être une adresse comme "
            "postgres://compte:mot-de-passe@serveur:5432/base ou sqlite:///db.sqlite3."
        ) from None
    if options["ENGINE"] == "django.db.backends.sqlite3":
        return sqlite_options(options["NAME"])
    # A server that does not answer holds nobody for minutes. Values travel beside the statements:
    # else PostgreSQL would write them into its log with each one that fails.
    options["OPTIONS"] = {"connect_timeout": 5, "server_side_binding": True} | options.get(
        "OPTIONS", {}
    )
    # A query string is all text; Django wants booleans there.
    for switch in {"pool", "server_side_binding"} & options["OPTIONS"].keys():
        options["OPTIONS"][switch] = str(options["OPTIONS"][switch]).lower() in TRUE
    # Opening a connection takes as long as a page of the REST API. A pool keeps them by itself.
    kept = 0 if options["OPTIONS"].get("pool") else 60
    return {"CONN_MAX_AGE": kept, "CONN_HEALTH_CHECKS": bool(kept)} | options


def sqlite_options(name: str) -> dict[str, Any]:
    """SQLite as several processes share it.

    Without IMMEDIATE, a transaction that reads and then writes fails with "database is locked"
    whenever another one wrote in between, whatever the timeout.
    """
    return {
        "ENGINE": "dsintegration.hosting.sqlite3",
        "NAME": name if name == ":memory:" else str(BASE_DIR / name),
        "OPTIONS": {
            "timeout": 10,  # a page waits no longer
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    }


def files_storage(folder: str, bucket: str, endpoint: str) -> dict[str, Any]:
    """Where copies of files lie: in a bucket of an S3 if there is one, else in a folder.

    The library reads the keys of the S3 from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    if not bucket:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": folder or BASE_DIR / "files",
                "base_url": None,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    try:
        from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
        from storages.backends.s3 import S3Storage  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as err:
        raise ImproperlyConfigured(
            "FILES_S3_BUCKET est rempli, et django-storages n'est pas installé : installez "
            "« django-storages[s3] », ou videz FILES_S3_BUCKET."
        ) from err
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": endpoint or None,
            "file_overwrite": False,
            # Little memory: by default it would hold whole files, and ten pieces at once.
            "max_memory_size": 1024 * 1024,
            "transfer_config": TransferConfig(use_threads=False),
        },
    }
