"""The files of a conversation, as agents see and open them."""

import pytest
from django.contrib.auth.models import Group

from dsintegration.models import Action, File, JournalEntry, Perimeter
from dsintegration.services import fetch_dossier
from tests.admin.conftest import text_of
from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def dossier(sandbox):
    return fetch_dossier(12347).dossier


def page_of(dossier) -> str:
    return f"/admin/dsintegration/dossier/{dossier.pk}/change/"


def address_of(file: File) -> str:
    return f"/admin/dsintegration/dossier/{file.dossier_id}/files/{file.pk}/"


def named(filename: str) -> File:
    return File.objects.get(filename=filename)


def test_a_message_shows_its_files(reader, dossier):
    response = reader.get(page_of(dossier))
    text = text_of(response)
    for shown in (
        "devis.pdf",
        "analyse antivirus en cours",
        "plan de situation.pdf (24,0",
        "photo.jpg",
        "infecté par un virus",
    ):
        assert shown in text.replace("\N{NO-BREAK SPACE}", " ")
    page = response.content.decode()
    assert address_of(named("plan de situation.pdf")) in page
    assert address_of(named("devis.pdf")) not in page
    assert address_of(named("photo.jpg")) not in page


def test_names_turn_nothing_around(reader, dossier):
    File.objects.filter(filename="devis.pdf").update(filename="<b>\u202efdp.exe")
    page = reader.get(page_of(dossier)).content.decode()
    assert "\u202e" not in page
    assert "<b>" not in page.split("ds-files")[1].split("</ul>")[0]


def test_opening_one(reader, dossier, sandbox):
    file = named("plan de situation.pdf")
    response = reader.get(address_of(file))
    assert len(response.getvalue()) == file.byte_size
    assert response["Content-Disposition"].startswith("attachment")
    assert "no-store" in response["Cache-Control"]
    entry = JournalEntry.objects.get(action=Action.FILE)
    assert (entry.actor, entry.outcome, entry.detail) == ("reader", "shown", f"file={file.pk}")
    assert entry.demarche_number == dossier.demarche.number


@pytest.mark.parametrize(
    ("filename", "words"),
    [
        ("devis.pdf", "l'analyse antivirus de ce fichier n'est pas finie"),
        ("photo.jpg", "l'antivirus de la plateforme a écarté ce fichier"),
        ("abîmé.pdf", "ce qui est arrivé n'est pas le fichier"),
    ],
)
def test_what_is_not_given_is_said_on_the_page(reader, dossier, filename, words):
    response = reader.get(address_of(named(filename)), follow=True)
    assert response.redirect_chain == [(page_of(dossier), 302)]
    assert f"Fichier non ouvert : {words}" in text_of(response)
    assert JournalEntry.objects.get(action=Action.FILE).outcome.startswith("upstream_")


def test_a_file_that_is_not_there(reader, dossier):
    other = DossierFactory()
    file = named("devis.pdf")
    for address in (
        f"/admin/dsintegration/dossier/{other.pk}/files/{file.pk}/",
        f"/admin/dsintegration/dossier/{dossier.pk}/files/{'9' * 30}/",
    ):
        assert "n'est plus sur la plateforme" in text_of(reader.get(address, follow=True))


def test_outside_of_the_perimeter_nothing_exists(enter, dossier):
    group = Group.objects.create(name="Autre service")
    Perimeter.objects.create(group=group).demarches.add(DossierFactory().demarche)
    agent = enter("agent", "view_dossier", everywhere=False)
    agent.user.groups.add(group)
    file = named("plan de situation.pdf")
    unknown = agent.get(f"/admin/dsintegration/dossier/999999/files/{file.pk}/", follow=True)
    foreign = agent.get(address_of(file), follow=True)
    assert foreign.redirect_chain == unknown.redirect_chain
    [told] = foreign.context["messages"]
    assert str(told).replace(str(dossier.pk), "999999") == str(*unknown.context["messages"])
    assert not JournalEntry.objects.filter(action=Action.FILE).exists()


def test_without_the_right_to_see_dossiers(enter, dossier):
    agent = enter("agent", "fetch_dossier")
    assert agent.get(address_of(named("plan de situation.pdf"))).status_code == 403


def test_none_where_files_are_off(reader, dossier, settings, sandbox):
    settings.DS_FILES = "off"
    page = reader.get(page_of(dossier))
    assert "plan de situation.pdf" in text_of(page)
    assert "/files/" not in page.content.decode()
    assert reader.get(address_of(named("plan de situation.pdf"))).status_code == 404


def test_statements_do_not_grow(reader, dossier, django_assert_max_num_queries):
    reader.get(page_of(dossier))
    with django_assert_max_num_queries(13):
        reader.get(page_of(dossier))
