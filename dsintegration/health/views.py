"""What probes are told: one word a part; the logs have the rest.

Without the platform we go on with what we have, so that it is not asked.
"""

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from dsintegration import conf
from dsintegration.database import Trouble, probe, trouble

never_kept = cache_control(no_store=True)


@never_kept
@require_safe
@transaction.non_atomic_requests
def live(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@never_kept
@require_safe
@transaction.non_atomic_requests
def ready(request: HttpRequest) -> JsonResponse:
    """200, or 503 while the database is down, full, or lacks a migration."""
    database, migrations = probe() or "ok", "unknown"
    if database == "ok":
        try:
            migrations = "ok" if _are_applied() else "pending"
        except (DatabaseError, InterfaceError):  # lost between the two looks
            database = Trouble.DOWN
    is_ready = database == migrations == "ok"
    told = {
        "status": "ok" if is_ready else "unavailable",
        "database": database,
        "migrations": migrations,
    }
    return JsonResponse(told, status=200 if is_ready else 503)


@never_kept
@require_safe
@transaction.non_atomic_requests
def metrics(request: HttpRequest) -> HttpResponse:
    """For the Prometheus server that shows DS_METRICS_TOKEN; without that setting, 404."""
    if not (token := conf.metrics_token()):
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}"):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    from prometheus_client import CONTENT_TYPE_LATEST

    from dsintegration.health.metrics import metrics_text

    try:
        text = metrics_text()
    except (DatabaseError, InterfaceError) as err:
        if (found := trouble(err)) is None:
            raise
        return HttpResponse(f"database {found}\n", status=503, content_type="text/plain")
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _are_applied() -> bool:
    """The code of a process does not change: once all are applied, none is missing later."""
    if not _applied:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        _applied.append(True)
    return True


_applied: list[bool] = []
