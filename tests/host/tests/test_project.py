"""Commands, tasks, health, checks, and what the app leaves alone."""

import json
import subprocess
import sys
from datetime import date

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.template.loader import get_template
from django.test import TestCase
from django.urls import reverse
from si.celery import app

import dsintegration
from dsintegration.exceptions import DossierNotFound
from dsintegration.models import Demarche, Dossier, Platform
from dsintegration.services import fetch_dossier
from dsintegration.testing import SandboxMixin


@pytest.mark.django_db(transaction=True)
class TestCommands:
    def test_fetch_dossier(self, ds_sandbox, capsys):
        ds_sandbox.add_dossier(12345, state="accepte", messages=["Bonjour", "Et voici"])
        call_command("fetch_dossier", "12345", "--format", "json")
        told = json.loads(capsys.readouterr().out)
        assert (told["number"], told["state"]) == (12345, "accepte")
        assert [message["body"] for message in told["messages"]] == ["Bonjour", "Et voici"]

    def test_what_is_kept_of_a_form(self, ds_sandbox, capsys):
        form = ds_sandbox.add_form(901, champs={"SIRET": "Siret", "Début": "Date", "RIB": "Iban"})
        answers = {"SIRET": "44011762001530", "Début": date(2026, 12, 19)}
        ds_sandbox.add_dossier(12345, demarche=901, champs=answers)
        call_command("setup_demarche", "901", "--champs", f"{form['SIRET']},{form['Début']}")
        fetch_dossier(12345)
        champs = Dossier.objects.get(number=12345).champs
        assert [champ["value"] for champ in champs] == ["44011762001530", "2026-12-19"]

    def test_refresh_and_purge(self, ds_sandbox, capsys):
        ds_sandbox.add_dossier(12345)
        fetch_dossier(12345)
        call_command("refresh_dossiers", "--full")
        call_command("purge_dossiers")
        assert "Dossiers effacés : 0" in capsys.readouterr().out

    def test_check_ds(self, ds_sandbox, capsys):
        ds_sandbox.add_dossier(12345)
        call_command("check_ds", "12345")
        assert "✗" not in capsys.readouterr().out

    def test_setup_groups(self, capsys):
        call_command("setup_groups")
        assert "Responsables : créé" in capsys.readouterr().out

    def test_forget_sandbox(self, ds_sandbox, settings, capsys):
        ds_sandbox.add_dossier(12345)
        fetch_dossier(12345)
        with pytest.raises(CommandError, match="pas ceux du bac à sable"):
            call_command("forget_sandbox")
        assert Dossier.objects.exists()
        Platform.objects.update(instance="sandbox")
        call_command("forget_sandbox")
        assert not Dossier.objects.exists()
        assert not Demarche.objects.exists()
        assert fetch_dossier(12345).created


class TestMixin(SandboxMixin, TestCase):
    """As a project without pytest would write it."""

    def test_a_dossier(self):
        self.ds_sandbox.add_dossier(7, state="refuse")
        assert fetch_dossier(7).dossier.state == "refuse"

    def test_empty_each_time(self):
        with self.assertRaises(DossierNotFound):  # noqa: PT027  # this project has no pytest
            fetch_dossier(7)


class TestTasks:
    @pytest.mark.django_db
    def test_the_project_s_app_has_them_with_their_own_options(self):
        app.loader.import_default_modules()
        ours = {name: task for name, task in app.tasks.items() if name.startswith("dsintegration.")}
        assert {entry["task"] for entry in app.conf.beat_schedule.values()} < set(ours)
        for task in ours.values():
            assert task.acks_late
            assert task.reject_on_worker_lost
            assert task.ignore_result

    @pytest.mark.django_db(transaction=True)
    def test_one_of_them(self, ds_sandbox):
        ds_sandbox.add_dossier(12345)
        app.tasks["dsintegration.fetch_dossier"].apply([12345]).get()
        assert Dossier.objects.get().number == 12345


@pytest.mark.django_db
def test_health(client):
    assert client.get(reverse("dsintegration_health:live")).json() == {"status": "ok"}
    assert client.get(reverse("dsintegration_health:ready")).json()["database"] == "ok"
    other = {"host": "192.0.2.7"}
    assert client.get(reverse("dsintegration_health:live"), headers=other).status_code == 200


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run")


@pytest.mark.django_db
class TestChecks:
    def messages(self, **given):
        from django.core.checks import run_checks
        from django.test import override_settings

        with override_settings(**given):
            found = run_checks()
        return {message.id for message in found if message.id.startswith("dsintegration.")}

    def test_what_is_said_of_this_project(self):
        assert self.messages() == {"dsintegration.W001", "dsintegration.W004"}

    def test_dates_without_a_time_zone(self):
        assert "dsintegration.E020" in self.messages(USE_TZ=False)

    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("base.html", {"dsintegration.E022", "dsintegration.W028"}),
            ("si/nothing.html", {"dsintegration.E021"}),
            ("dsintegration/layout.html", set()),
        ],
    )
    def test_a_layout(self, template, expected):
        assert self.messages(DS_BASE_TEMPLATE=template) - self.messages() == expected


def test_the_templates_of_the_project_are_its_own():
    for name in ("base.html", "404.html", "admin/index.html"):
        assert "/si/templates/" in get_template(name).origin.name
    ours = apps.get_app_config("dsintegration").path
    assert get_template("dsintegration/layout.html").origin.name.startswith(ours)


def test_it_is_the_installed_package():
    assert "site-packages" in dsintegration.__file__


@pytest.mark.parametrize(
    "program",
    [
        "import dsintegration",
        "import django; django.setup()",
        "import django; django.setup(); from django.urls import reverse; reverse('admin:index')",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(program):
    told = (
        f"{program}; import sys; print([n for n in ('gql', 'pydantic', 'nh3') if n in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", told],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
        env={"DJANGO_SETTINGS_MODULE": "si.settings"},
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("DS_SANDBOX = True", "n'est permis qu'avec DEBUG=1"),
        ("DS_SANDBOX = DEBUG = True; DS_API_TOKEN = 'x'", "ne vont pas ensemble"),
    ],
)
def test_the_sandbox_never_meets_the_real_thing(tmp_path, given, sentence):
    (tmp_path / "wrong.py").write_text(f"from si.settings import *\n{given}\n")
    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        env={"DJANGO_SETTINGS_MODULE": "wrong", "PYTHONPATH": str(tmp_path)},
    )
    assert run.returncode != 0
    assert sentence in run.stderr
