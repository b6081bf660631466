"""Answers in exports: a column a champ, a sheet for the rows of repetitions."""

import csv
import io
from datetime import date, datetime

import openpyxl
import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from odf import opendocument, table

from dsintegration import journal
from dsintegration.mirror.choices import choose
from dsintegration.models import Demarche, Perimeter
from dsintegration.sandbox.forms import SHORT_FORM, answers, champ_id
from dsintegration.services import fetch_dossier, read_form
from tests.admin.conftest import text_of
from tests.factories import DossierFactory, dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT = "/admin/dsintegration/dossier/export/"
XLSX, ODS, CSV = range(3)


@pytest.fixture
def exporter(enter):
    return enter("exporter", "view_dossier", "export_dossier")


@pytest.fixture
def whole(sandbox):
    call_command("setup_demarche", "901", "--champs", "all", stdout=io.StringIO())
    return fetch_dossier(12345).dossier


@pytest.fixture
def seven(sandbox):
    """A dossier of another démarche, of which two champs are kept."""
    values = {301: "=1+1", 303: 4300.5}
    sandbox.dossiers[71_001] = dossier_answer(71_001, champs=answers(SHORT_FORM, values))
    demarche = read_form(7)
    choose(demarche, by=journal.CODE, champs=[champ_id(301), champ_id(303)])
    fetch_dossier(71_001)
    return demarche


def workbook(client, query=""):
    content = client.post(EXPORT + query, {"format": XLSX}).content
    return openpyxl.load_workbook(io.BytesIO(content))


def first(client, query=""):
    """The first dossier, by the titles of its columns."""
    header, row, *_ = workbook(client, query).worksheets[0].values
    return dict(zip(header, row, strict=True))


class TestColumns:
    def test_one_a_champ(self, exporter, whole):
        row = first(exporter)
        assert row["Nom de l'association"] == "Les Cordes vocales"
        assert row["Numéro SIRET"] == "LES CORDES VOCALES (44011762001530)"
        assert row["Date de la représentation"] == datetime(2026, 12, 19)  # noqa: DTZ001
        assert row["Montage à partir du"] == datetime(2026, 12, 18, 14, 30)  # noqa: DTZ001
        assert row["Montant demandé (en euros)"] == 4300.5
        assert row["Nombre de spectateurs attendus"] == 850
        assert row["Avez-vous déjà reçu une subvention ?"] == "Oui"
        assert row["Fondation partenaire"] is None
        assert row["Partenaires"] == "lignes : 2"
        assert "Avis du service culture" not in row

    def test_a_second_sheet_for_repetitions(self, exporter, whole):
        book = workbook(exporter)
        assert book.sheetnames == ["Dossiers", "Blocs répétables"]
        assert list(book.worksheets[1].values) == [
            ("Numéro", "Bloc", "Ligne", "Partenaire", "Apport en euros"),
            (12345, "Partenaires", 1, "Ville d'Exemple", 1500),
            (12345, "Partenaires", 2, "Crédit des arts", 800),
        ]

    def test_the_same_for_libreoffice(self, exporter, whole):
        content = exporter.post(EXPORT, {"format": ODS}).content
        sheets = opendocument.load(io.BytesIO(content)).getElementsByType(table.Table)
        assert [sheet.getAttribute("name") for sheet in sheets] == ["Dossiers", "Blocs répétables"]
        rows = sheets[1].getElementsByType(table.TableRow)
        assert [str(cell) for cell in rows[1].getElementsByType(table.TableCell)] == [
            "12345", "Partenaires", "1", "Ville d'Exemple", "1500",
        ]  # fmt: skip
        dates = {
            cell.getAttribute("datevalue") for cell in sheets[0].getElementsByType(table.TableCell)
        }
        assert {"2026-12-19", "2026-12-18T14:30:00"} <= dates

    def test_csv_has_one_sheet(self, exporter, whole):
        text = exporter.post(EXPORT, {"format": CSV}).content.decode("utf-8-sig")
        header, row = csv.reader(io.StringIO(text), delimiter=";")
        said = dict(zip(header, row, strict=True))
        assert said["Date de la représentation"] == f"{date(2026, 12, 19):%d/%m/%Y}"
        assert said["Montant demandé (en euros)"] == "4300,5"
        assert said["Partenaires"] == "lignes : 2"

    def test_of_several_demarches(self, exporter, whole, seven):
        rows = list(workbook(exporter).worksheets[0].values)
        header = rows[0]
        assert "Nom de l'association (n° 901)" in header
        assert header[-2:] == ("Nom du demandeur (n° 7)", "Montant demandé (en euros) (n° 7)") or (
            "Nom du demandeur (n° 7)" in header
        )
        by_number = {row[0]: dict(zip(header, row, strict=True)) for row in rows[1:]}
        assert by_number[71_001]["Montant demandé (en euros) (n° 7)"] == 4300.5
        assert by_number[12345]["Montant demandé (en euros) (n° 7)"] is None

    def test_of_the_filtered_list_alone(self, exporter, whole, seven):
        row = first(exporter, f"?demarche__id__exact={seven.pk}")
        assert row["Nom du demandeur"] == "'=1+1"  # no formula
        assert "Nom de l'association" not in row
        assert workbook(exporter, f"?demarche__id__exact={seven.pk}").sheetnames == ["Dossiers"]

    def test_perimeters_hold(self, enter, whole, seven):
        limited = enter("limited", "view_dossier", "export_dossier", everywhere=False)
        group = Group.objects.create(name="Service")
        limited.user.groups.add(group)
        Perimeter.objects.create(group=group).demarches.set([seven])
        header, *rows = workbook(limited).worksheets[0].values
        assert [row[0] for row in rows] == [71_001]
        assert "Nom de l'association" not in header

    def test_too_many_champs_are_left_out_and_said(self, exporter, whole, monkeypatch):
        assert "une colonne par champ conservé" in text_of(exporter.get(EXPORT))
        monkeypatch.setattr("dsintegration.admin.sheets.MAX_CHAMPS", 5)
        assert "Les champs des formulaires n'y sont pas" in text_of(exporter.get(EXPORT))
        assert "Nom de l'association" not in first(exporter)

    def test_nothing_chosen_nothing_shown(self, exporter, whole):
        Demarche.objects.get().champs.update(is_kept=False)
        assert "Nom de l'association" not in first(exporter)
        assert "champ" not in text_of(exporter.get(EXPORT)).partition("Le fichier contient")[2]

    def test_statements(self, exporter, whole, django_assert_max_num_queries):
        for _ in range(30):
            DossierFactory(demarche=whole.demarche)
        with django_assert_max_num_queries(14):
            exporter.post(EXPORT, {"format": XLSX})
