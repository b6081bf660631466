"""The files that the list becomes: what is in them, and what a spreadsheet makes of it."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

import openpyxl
import pytest

from dsintegration.admin.export import COLUMNS
from tests.admin.conftest import text_of
from tests.factories import DemarcheFactory, DossierFactory

pytestmark = pytest.mark.django_db

EXPORT = "/admin/dsintegration/dossier/export/"
XLSX, ODS, CSV = range(3)
MOMENT = datetime(2026, 11, 28, 9, 2, tzinfo=UTC)


@pytest.fixture
def exporter(enter):
    return enter("exporter", "view_dossier", "export_dossier")


def export(client, format, query=""):
    response = client.post(EXPORT + query, {"format": str(format)})
    assert response.status_code == 200
    return response.content


def rows(content):
    """Of a CSV, by the titles of its columns."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))


def ods_texts(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.infolist()[0].filename == "mimetype"
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        tree = ElementTree.fromstring(archive.read("content.xml"))
    return ["".join(node.itertext()) for node in tree.iter() if node.tag.endswith("}p")]


class TestColumns:
    def test_a_csv_as_a_french_excel_reads_it(self, exporter, settings):
        dossier = DossierFactory(
            date_depot=MOMENT,
            date_derniere_correction_en_attente=MOMENT,
            absent_since=MOMENT,
            last_error_at=MOMENT,
            last_error_code="dossier_not_found",
            last_error_reason="unknown",
            usager_spoke_last=True,
        )
        content = export(exporter, CSV)
        assert content.startswith(b"\xef\xbb\xbf")
        [row] = rows(content)
        assert row["Déposé le"] == "28/11/2026 10:02"
        assert row["Correction demandée le"] == "28/11/2026 10:02"
        assert row["Absent de la plateforme depuis le"] == "28/11/2026 10:02"
        assert (row["À répondre"], row["En erreur"]) == ("oui", "oui")
        link = f"{settings.DS_SITE_URL or 'https://demarche.numerique.gouv.fr'}"
        number, demarche = dossier.number, dossier.demarche.number
        assert row["Lien de l'instructeur"] == f"{link}/procedures/{demarche}/dossiers/{number}"

    def test_a_sheet_called_dossiers_with_real_moments(self, exporter):
        DossierFactory(date_depot=MOMENT)
        sheet = openpyxl.load_workbook(io.BytesIO(export(exporter, XLSX))).active
        assert sheet.title == "Dossiers"
        cell = sheet.cell(2, [column.title for column in COLUMNS].index("Déposé le") + 1)
        assert cell.value.isoformat() == "2026-11-28T10:02:00"
        assert cell.number_format == "dd/mm/yyyy hh:mm"
        assert "28/11/2026 10:02" in ods_texts(export(exporter, ODS))


class TestHostileTexts:
    @pytest.mark.parametrize(
        "title", ["=1+1", " =1+1", "\u00a0=1+1", "@SUM(1)", "-1+1@exemple.fr", "\t=1", "＝1+1"]
    )
    def test_no_formula(self, exporter, title):
        DossierFactory(demarche=DemarcheFactory(title=title))
        assert rows(export(exporter, CSV))[0]["Démarche"] == f"'{title}"
        sheet = openpyxl.load_workbook(io.BytesIO(export(exporter, XLSX))).active
        assert sheet.cell(2, 4).data_type == "s"
        assert sheet.cell(2, 4).value.startswith("'")

    @pytest.mark.parametrize("letter", ["\uffff", "\ufffe", "\x02", "\x1f"])
    def test_letters_that_xml_does_not_know(self, exporter, letter):
        DossierFactory(demarche=DemarcheFactory(title=f"a{letter}b"))
        sheet = openpyxl.load_workbook(io.BytesIO(export(exporter, XLSX))).active
        assert sheet.cell(2, 4).value == "a\ufffdb"
        assert "a\ufffdb" in ods_texts(export(exporter, ODS))

    def test_a_text_that_no_cell_holds(self, exporter):
        DossierFactory(demarche=DemarcheFactory(title="é" * 40_000))
        sheet = openpyxl.load_workbook(io.BytesIO(export(exporter, XLSX))).active
        value = sheet.cell(2, 4).value
        assert len(value) == 32_767
        assert value.endswith("…")

    def test_markup_is_text(self, exporter):
        DossierFactory(demarche=DemarcheFactory(title="<b> & </b>"))
        assert "<b> & </b>" in ods_texts(export(exporter, ODS))


class TestThePage:
    def test_how_many_and_which_filters(self, exporter):
        demarche = DemarcheFactory(title="Aide")
        for _ in range(3):
            DossierFactory(demarche=demarche, state="accepte")
        DossierFactory()
        shown = text_of(exporter.get(EXPORT))
        assert "4 dossiers, sans filtre." in shown
        query = f"?state__exact=accepte&demarche__id__exact={demarche.pk}&q=aide"
        shown = text_of(exporter.get(EXPORT + query))
        assert "3 dossiers, avec ces filtres : Accepté Aide recherche « aide »" in shown
        assert "Retour à la liste" in shown
        assert len(rows(export(exporter, CSV, query))) == 3
