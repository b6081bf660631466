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


@pytest.fixture
def environment(monkeypatch):
    """What a test adds to the environment goes with it."""
    for name in ("DS_TEST_FIRST", "DS_TEST_SECOND"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path, environment):
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfDS_TEST_FIRST=1\r\nDS_TEST_SECOND=2\r\n")
    env.read_file(path)
    assert (env.text("DS_TEST_FIRST"), env.text("DS_TEST_SECOND")) == ("1", "2")


def test_nor_of_a_secret(tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.write_bytes(b"\xef\xbb\xbfabc\r\n")
    monkeypatch.setenv("DS_TEST_SECRET_FILE", str(path))
    assert env.secret("DS_TEST_SECRET") == "abc"
