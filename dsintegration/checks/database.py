"""System checks of the database around us, `manage.py check --deploy`: what PostgreSQL writes into
its log of the values that we give it, addresses and messages of people.
"""

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Warning
from django.db import DatabaseError, InterfaceError, connection

# All that can bring a value into the log.
PARAMETERS = (
    "log_error_verbosity",
    "log_min_duration_sample",
    "log_min_duration_statement",
    "log_min_error_statement",
    "log_parameter_max_length",
    "log_parameter_max_length_on_error",
    "log_statement",
)


def check_log_of_values(**_: Any) -> list[CheckMessage]:
    if connection.vendor != "postgresql":
        return []
    try:
        with connection.cursor() as cursor:
            sql = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
            cursor.execute(sql, [list(PARAMETERS)])
            found = dict(cursor.fetchall())
    except (DatabaseError, InterfaceError):  # /health/ready says so
        return []
    bound = connection.settings_dict["OPTIONS"].get("server_side_binding") is True
    if not (to_set := parameters_to_set(found, bound=bound)):
        return []
    role = connection.settings_dict["USER"] or "…"
    orders = " ".join(f"ALTER ROLE {role} SET {name} = {value};" for name, value in to_set.items())
    return [
        Warning(
            "PostgreSQL écrit dans son journal des valeurs, donc des adresses et des messages "
            f"d'usagers : {', '.join(to_set)}.",
            hint=f"En superutilisateur de PostgreSQL : {orders} Puis relancez l'application.",
            id="dsintegration.W040",
        )
    ]


def parameters_to_set(found: Mapping[str, str], *, bound: bool) -> dict[str, str]:
    """What to change so that no value is written; `bound`: values travel beside the statements."""
    to_set = {}
    # « Failing row contains (…) ».
    if found["log_error_verbosity"] != "terse":
        to_set["log_error_verbosity"] = "terse"
    if found["log_min_error_statement"] != "panic":
        if not bound:
            to_set["log_min_error_statement"] = "panic"
        elif found["log_parameter_max_length_on_error"] != "0":
            to_set["log_parameter_max_length_on_error"] = "0"
    each = {"log_statement": "none", "log_min_duration_statement": "-1"}
    each["log_min_duration_sample"] = "-1"
    written = {name: off for name, off in each.items() if found[name] not in {off, "ddl"}}
    if written and not bound:
        to_set |= written
    elif written and found["log_parameter_max_length"] != "0":
        to_set["log_parameter_max_length"] = "0"
    return to_set
