"""Sentry, where SENTRY_DSN names one: errors, and nothing of people.

Nothing is collected but what our own logs would say of an error (hosting/logs.py), and the lines of
code that it went through: no request, no account, no variable, no words of an exception, no
breadcrumbs, no statements of the database. What is sent is made here, from nothing.
"""

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from dsintegration.hosting.logs import JsonFormatter

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

KEPT = ("event_id", "timestamp", "level", "platform", "logger", "release", "environment")
KEPT_OF_FRAMES = ("filename", "function", "module", "lineno", "in_app")
# Of a line of the logs; `counts` and `exception` are told elsewhere.
TAGS = ("operation", "outcome", "reason", "number", "demarche", "route", "method", "status")


def _nothing(*_: Any) -> None:
    """Neither breadcrumbs, nor words at the end of a command."""


def start(dsn: str, **options: Any) -> None:
    """Raises ImproperlyConfigured where the package is missing, or the address is none."""
    try:
        import sentry_sdk
        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.dedupe import DedupeIntegration
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration
        from sentry_sdk.integrations.threading import ThreadingIntegration
    except ImportError as err:
        raise ImproperlyConfigured(
            "SENTRY_DSN est rempli, et Sentry n'est pas installé : installez "
            "requirements/sentry.txt, ou videz SENTRY_DSN."
        ) from err
    try:
        sentry_sdk.init(
            dsn,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                LoggingIntegration(level=None, sentry_logs_level=None),
                ExcepthookIntegration(),
                ThreadingIntegration(propagate_hub=False),
                DedupeIntegration(),
                AtexitIntegration(callback=_nothing),
            ],
            before_send=only_ours,
            before_breadcrumb=_nothing,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            server_name="",
            **options,
        )
    except ValueError:  # BadDsn is one
        raise ImproperlyConfigured(
            "SENTRY_DSN doit être une adresse comme https://clef@sentry.example.org/1."
        ) from None


def only_ours(event: "Event", hint: "Hint") -> "Event":
    """The event made anew, of what may leave."""
    told: dict[str, Any] = {name: event[name] for name in KEPT if name in event}  # type: ignore[literal-required]
    if record := hint.get("log_record"):
        line = json.loads(JsonFormatter().format(record))
        told["message"] = line["event"]
        told["tags"] = {name: str(line[name]) for name in TAGS if line.get(name) is not None}
    found: Any = event.get("exception") or {}
    told["exception"] = {"values": [_exception(each) for each in found.get("values", ())]}
    return told  # type: ignore[return-value]


def _exception(told: dict[str, Any]) -> dict[str, Any]:
    """Its type and its places; its words may quote what was typed or stored."""
    frames = (told.get("stacktrace") or {}).get("frames", ())
    places = [{name: frame.get(name) for name in KEPT_OF_FRAMES} for frame in frames]
    return {
        "type": told.get("type"),
        "module": told.get("module"),
        "stacktrace": {"frames": places},
    }
