"""What probes are told: whether we live, and whether we can serve."""

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from dsintegration.health.middleware import HealthMiddleware

LIVE, READY = "/health/live", "/health/ready"
ALL_WELL = {"status": "ok", "database": "ok", "migrations": "ok"}


def test_live_asks_nobody(client):  # a test without access to the database
    response = client.get(LIVE)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready(client, sandbox):
    response = client.get(READY)
    assert (response.status_code, response.json()) == (200, ALL_WELL)
    assert sandbox.received == []


@pytest.mark.django_db
def test_once_complete_migrations_cost_nothing(client, on_sqlite, django_assert_num_queries):
    client.get(READY)
    with django_assert_num_queries(1 if on_sqlite else 2 + 2):  # savepoints for BEGIN and COMMIT
        client.get(READY)


@pytest.mark.django_db
def test_a_migration_is_missing(client, monkeypatch):
    monkeypatch.setattr("dsintegration.health.views._applied", [])
    recorder = MigrationRecorder(connection)
    [last] = MigrationLoader(connection).graph.leaf_nodes("dsintegration")
    recorder.record_unapplied(*last)
    response = client.get(READY)
    assert (response.status_code, response.json()) == (
        503,
        {"status": "unavailable", "database": "ok", "migrations": "pending"},
    )
    recorder.record_applied(*last)
    assert client.get(READY).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError, DatabaseError])
def test_the_database_is_down(client, monkeypatch, logs, error):
    def refuse(*_, **__):
        raise error("password of db.example.org")

    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get(READY)
    assert (response.status_code, response.json()) == (
        503,
        {"status": "unavailable", "database": "down", "migrations": "unknown"},
    )
    assert "db.example.org" not in logs.text


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LIVE, READY])
class TestProbes:
    def test_any_host_over_plain_http(self, path, settings):
        settings.SECURE_SSL_REDIRECT = True
        settings.ALLOWED_HOSTS = ["dossiers.example.org"]
        response = Client().get(path, headers={"host": "192.0.2.7:8000"})
        assert response.status_code == 200
        assert Client().get("/suivi/", headers={"host": "192.0.2.7:8000"}).status_code == 400

    def test_kept_by_nobody(self, client, path):
        response = client.get(path)
        assert response["Cache-Control"] == "no-store"
        assert not response.cookies
        assert response["Content-Type"] == "application/json"

    def test_head(self, client, path):
        response = client.head(path)
        assert (response.status_code, response.content) == (200, b"")

    @pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
    def test_other_methods(self, client, path, method):
        response = getattr(client, method)(path)
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")

    def test_no_other_address(self, client, path):
        assert client.get(f"{path}/").status_code == 404


def test_before_everything_else(settings):
    assert settings.MIDDLEWARE[0] == f"{HealthMiddleware.__module__}.{HealthMiddleware.__name__}"
