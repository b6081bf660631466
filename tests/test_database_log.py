"""What PostgreSQL itself writes into its log when a statement of ours fails."""

import os
import re
from pathlib import Path

import pytest
from django.db import DatabaseError, IntegrityError, connection

from dsintegration.checks.database import PARAMETERS, check_log_of_values, parameters_to_set
from dsintegration.models import Dossier
from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "camille.durand@example.org"
DEFAULTS = {
    "log_error_verbosity": "default",
    "log_min_duration_sample": "-1",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "error",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
}


@pytest.fixture
def written(on_sqlite):
    """What the log says of a `with` block."""
    found = re.search(r"--log=(\S+)", os.environ.get("PG_CTL", ""))
    if on_sqlite or not found:
        pytest.skip("needs a PostgreSQL of our own")
    log = Path(found[1])
    start = log.stat().st_size
    return lambda: log.read_bytes()[start:].decode()


@pytest.fixture
def configure():
    """The session's parameters, and how values travel."""

    def to(*, bound=True, **parameters):
        connection.close()
        connection.settings_dict["OPTIONS"]["server_side_binding"] = bound
        with connection.cursor() as cursor:
            for name, value in parameters.items():
                cursor.execute(f"SET {name} = {value}")

    before = connection.settings_dict["OPTIONS"].get("server_side_binding")
    yield to
    connection.close()
    connection.settings_dict["OPTIONS"]["server_side_binding"] = before


def fail_with_an_address():
    with pytest.raises(DatabaseError):
        Dossier.objects.update(usager_email=ADDRESS * 20)


def fail_with_a_row():
    """« Failing row contains (…) », as of a bug of ours."""
    with pytest.raises(IntegrityError):
        Dossier.objects.filter(usager_email=ADDRESS).update(version=-1)


class TestTheRealLog:
    def test_as_it_was(self, written, configure):
        DossierFactory()
        configure(bound=False)
        fail_with_an_address()
        assert ADDRESS in written()

    def test_as_the_shell_and_the_manual_have_it(self, written, configure, settings):
        DossierFactory(usager_email=ADDRESS)
        assert settings.DATABASES["default"]["OPTIONS"]["server_side_binding"] is True
        configure(log_error_verbosity="terse")
        assert check_log_of_values() == []
        fail_with_an_address()
        fail_with_a_row()
        assert "value too long for type" in written()
        assert "violates check constraint" in written()
        assert ADDRESS not in written()

    def test_a_project_that_binds_here(self, written, configure):
        DossierFactory(usager_email=ADDRESS)
        configure(bound=False, log_error_verbosity="terse", log_min_error_statement="panic")
        assert check_log_of_values() == []
        fail_with_an_address()
        fail_with_a_row()
        assert ADDRESS not in written()

    def test_a_row_is_written_unless_the_log_is_terse(self, written, configure):
        DossierFactory(usager_email=ADDRESS)
        configure()
        fail_with_a_row()
        assert ADDRESS in written()
        [said] = check_log_of_values()
        assert said.id == "dsintegration.W040"
        assert "ALTER ROLE ds SET log_error_verbosity = terse;" in said.hint

    def test_slow_statements(self, written, configure):
        DossierFactory(usager_email=ADDRESS)
        parameters = {"log_error_verbosity": "terse", "log_min_duration_statement": "0"}
        configure(**parameters)
        assert "log_parameter_max_length = 0" in check_log_of_values()[0].hint
        configure(**parameters, log_parameter_max_length="0")
        assert check_log_of_values() == []
        assert Dossier.objects.filter(usager_email=ADDRESS).count() == 1
        assert "duration: " in written()
        assert ADDRESS not in written()


@pytest.mark.parametrize(
    ("bound", "changed", "names"),
    [
        (True, {}, ["log_error_verbosity"]),
        (False, {}, ["log_error_verbosity", "log_min_error_statement"]),
        (
            False,
            {"log_min_error_statement": "fatal"},
            ["log_error_verbosity", "log_min_error_statement"],
        ),
        (False, {"log_min_error_statement": "panic"}, ["log_error_verbosity"]),
        (True, {"log_error_verbosity": "terse"}, []),
        (True, {"log_error_verbosity": "verbose"}, ["log_error_verbosity"]),
        (
            True,
            {"log_parameter_max_length_on_error": "64"},
            ["log_error_verbosity", "log_parameter_max_length_on_error"],
        ),
        (True, {"log_statement": "ddl"}, ["log_error_verbosity"]),
        (True, {"log_statement": "mod"}, ["log_error_verbosity", "log_parameter_max_length"]),
        (True, {"log_statement": "all", "log_parameter_max_length": "0"}, ["log_error_verbosity"]),
        (
            False,
            {"log_statement": "all", "log_min_duration_statement": "250"},
            [
                "log_error_verbosity",
                "log_min_error_statement",
                "log_statement",
                "log_min_duration_statement",
            ],
        ),
    ],
)
def test_what_is_to_be_set(bound, changed, names):
    assert DEFAULTS.keys() == set(PARAMETERS)
    assert list(parameters_to_set(DEFAULTS | changed, bound=bound)) == names


def test_another_database_is_not_asked(on_sqlite):
    if on_sqlite:
        assert check_log_of_values() == []
