"""What our logs look like: one line of JSON an event in production, text on a developer's machine.

Logs are kept for long and read by many, so that nothing of people goes into the JSON: of a request
it tells the route, never the path, the query string or the headers; of an exception the type and
the places, never the message, which may quote what was typed or stored.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from dsintegration.exceptions import DSError

# No DEBUG: at that level libraries write what they send and receive.
LEVELS = ("INFO", "WARNING", "ERROR")

# What our own lines say beside their text; nothing else that a library adds is written.
FIELDS = (
    "operation",
    "number",
    "demarche",
    "outcome",
    "reason",
    "duration",
    "requests",
    "counts",
)
# Exceptions whose words are ours, and name nobody.
HARMLESS = (DSError, ImproperlyConfigured)

# What is long, and neither a query nor an address, costs no more than its length.
QUERY_STRING = re.compile(r"(?<=[^\s?])\?[^\s\"']*")
ADDRESS = re.compile(r"[^\s\"'<>()\[\],;:=/?&]{1,64}(?:@|%40)[^\s\"'<>()\[\],;:/?&]{1,255}")


def configuration(*, debug: bool, level: str) -> dict[str, Any]:
    """The setting `LOGGING`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": TextFormatter if debug else JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers give way: its mails to ADMINS carry settings and requests.
            "django": {"handlers": [], "level": "NOTSET"},
            "django.server": {"handlers": [], "level": "INFO", "propagate": True},
            # Of gunicorn's workers, once they have loaded us.
            "gunicorn.error": {"handlers": [], "propagate": True},
            # A warning for each HEAD, whose body it drops as it should.
            "gunicorn.http.wsgi": {"level": "ERROR"},
            # axes writes names and addresses of people at each failed login; the database has them.
            "axes": {"level": "CRITICAL"},
        },
    }


class TextFormatter(logging.Formatter):
    """Lines to read, with whole tracebacks; query strings and addresses stay out here too."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        return without_addresses(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        request = getattr(record, "request", None)
        if hasattr(request, "META"):
            line |= {"event": _of_request(record)} | _request(request, record)
        else:
            line["event"] = without_addresses(_text(record.msg, record.args))
        line |= {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = _exception(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def without_addresses(text: str) -> str:
    """The last net, for the texts of libraries: no query strings, no e-mail addresses."""
    return ADDRESS.sub("[adresse]", QUERY_STRING.sub("", text))


def _text(template: object, args: Any) -> str:
    """A text with its arguments; of an exception among them, only words that name nobody."""
    if isinstance(args, tuple):
        args = tuple(
            _type(arg) if isinstance(arg, BaseException) and not isinstance(arg, HARMLESS) else arg
            for arg in args
        )
    elif isinstance(args, Mapping) and "exc" in args:  # of Celery: an exception, and its words
        args = {**args, "exc": str(args["exc"]).partition("(")[0]}
    return str(template) % args if args else str(template)


def _of_request(record: logging.LogRecord) -> str:
    """What Django says of a request, without the path that it ends with ("Not Found: /…").

    What is suspicious it quotes; the logger's name says of what kind it is.
    """
    template, args = str(record.msg), record.args
    if not template.endswith(": %s") or not isinstance(args, tuple):
        return "Request refused"
    return without_addresses(_text(template.removesuffix(": %s"), args[:-1]))


def _request(request: Any, record: logging.LogRecord) -> dict[str, Any]:
    told = {"method": request.method, "status": getattr(record, "status_code", None)}
    if match := getattr(request, "resolver_match", None):
        told["route"] = match.route
        if isinstance(number := match.kwargs.get("number"), int):
            told["number"] = number
    return told


def _exception(err: BaseException, depth: int = 0) -> dict[str, Any]:
    """The types and the places of an exception and of its causes."""
    told: dict[str, Any] = {
        "type": _type(err),
        "frames": [
            f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"
            for frame, line in traceback.walk_tb(err.__traceback__)
        ],
    }
    cause = err.__cause__ or (None if err.__suppress_context__ else err.__context__)
    if cause is not None and depth < 5:
        told["cause"] = _exception(cause, depth + 1)
    return told


def _type(err: BaseException) -> str:
    return f"{type(err).__module__}.{type(err).__qualname__}"


def _short(filename: str) -> str:
    """The path below the folder that it was imported from."""
    folders = [folder for folder in sys.path if folder and filename.startswith(f"{folder}/")]
    return filename.removeprefix(f"{max(folders, key=len)}/") if folders else filename
