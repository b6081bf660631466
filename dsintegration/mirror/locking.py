"""The platform's row: which instance this database mirrors, and the lock that every writer takes.

Whoever writes the mirror holds it until the end of the transaction: versions so grow in the order
of commits, and writers never wait for each other in a circle.
"""

from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from dsintegration.models import Platform

# By hand: both are part of each fetch, and the ORM takes three times as long to write them.
SELECT = "SELECT * FROM dsintegration_platform WHERE id = 1"
UPDATE = """
UPDATE dsintegration_platform SET instance = %s, version = %s,
    last_error_code = %s, last_error_reason = %s, last_error_at = %s WHERE id = 1
"""

# Instances that this process has found to be the database's own: no need to look before each call.
_recognised: set[str] = set()


def recognise(instance: str) -> None:
    """Raises ImproperlyConfigured if this database mirrors another instance of the platform."""
    if instance not in _recognised:
        _check_instance(Platform.objects.filter(pk=Platform.SINGLETON).first(), instance)


def _check_instance(platform: Platform | None, instance: str) -> None:
    if platform is None or not platform.instance:
        return
    if platform.instance != instance:
        raise ImproperlyConfigured(
            f"Cette base contient les dossiers de {platform.instance}, et DS_API_URL désigne "
            f"{instance} : les numéros se confondraient. Rétablissez DS_API_URL, ou donnez une "
            "autre base avec DATABASE_URL."
        )
    _recognised.add(instance)


def lock_platform() -> Platform:
    """The platform's row, held until the end of the transaction: one writer at a time."""
    # SQLite has one writer at a time anyway (config/env.py: IMMEDIATE).
    locking = f"{SELECT} FOR UPDATE" if connection.features.has_select_for_update else SELECT
    found = list(Platform.objects.raw(locking))
    if not found:  # the migration made it; a flush of the database took it away
        Platform.objects.bulk_create([Platform()], ignore_conflicts=True)
        found = list(Platform.objects.raw(locking))
    return found[0]


def lock_platform_for(instance: str) -> Platform:
    """The same, for what comes from `instance`; raises ImproperlyConfigured as `recognise`."""
    platform = lock_platform()
    _check_instance(platform, instance)
    return platform


def forget_instance() -> None:
    """Let an empty database mirror another instance; in a transaction that holds the lock."""
    Platform.objects.filter(pk=Platform.SINGLETON).update(instance="")
    _recognised.clear()


def save_platform(platform: Platform) -> None:
    """Write the row that `lock_platform` gave."""
    at = connection.ops.adapt_datetimefield_value(platform.last_error_at)
    values = (platform.instance, platform.version)
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, [*values, platform.last_error_code, platform.last_error_reason, at])
