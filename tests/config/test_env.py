"""What the environment becomes in the settings."""

import pytest

from config import env


@pytest.mark.parametrize(
    ("query", "age", "checked"),
    [
        ("", 60, True),
        ("?conn_max_age=5", 5, True),
        ("?pool=true", 0, False),
        ("?pool=false", 60, True),
    ],
)
def test_connections_to_postgresql_are_kept(monkeypatch, query, age, checked):
    monkeypatch.setenv("DATABASE_URL", f"postgres://me@host:5432/name{query}")
    options = env.database("DATABASE_URL", default="")
    assert (options["CONN_MAX_AGE"], options["CONN_HEALTH_CHECKS"]) == (age, checked)


@pytest.mark.parametrize(("query", "seconds"), [("", 5), ("?connect_timeout=2", 2)])
def test_a_silent_postgresql_holds_nobody(monkeypatch, query, seconds):
    monkeypatch.setenv("DATABASE_URL", f"postgres://me@host:5432/name{query}")
    assert env.database("DATABASE_URL", default="")["OPTIONS"]["connect_timeout"] == seconds
