"""`/health/live` and `/health/ready`, for load balancers and supervisors.

A middleware, and the first one: probes come by address and over plain http, so that they must pass
before host names are checked and before visitors are sent to https. What it says is one word a
part; the logs have the rest. The platform is never asked: without it we go on with what we have.
"""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase

LIVE, READY = "/health/live", "/health/ready"


class HealthMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        # The code of a process does not change: once all are applied, none is missing later.
        self.are_all_applied = False

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in {LIVE, READY}:
            return self.get_response(request)
        response: HttpResponseBase
        if request.method not in {"GET", "HEAD"}:
            response = HttpResponseNotAllowed(["GET", "HEAD"])
        elif request.path_info == LIVE:
            response = JsonResponse({"status": "ok"})
        else:
            response = self.ready()
        response["Cache-Control"] = "no-store"
        return response

    def ready(self) -> JsonResponse:
        """200, or 503 while the database cannot be used as it is."""
        database, migrations = "ok", "ok"
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            if not self.are_applied():
                migrations = "pending"
        except DatabaseError:
            database, migrations = "down", "unknown"
        is_ready = database == migrations == "ok"
        told = {
            "status": "ok" if is_ready else "unavailable",
            "database": database,
            "migrations": migrations,
        }
        return JsonResponse(told, status=200 if is_ready else 503)

    def are_applied(self) -> bool:
        if not self.are_all_applied:
            executor = MigrationExecutor(connection)
            self.are_all_applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self.are_all_applied
