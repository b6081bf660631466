"""One box for what callers give, and lists in which nobody loses her place."""

import re
from urllib.parse import quote

import pytest

from dsintegration.models import Dossier
from dsintegration.services import fetch_dossier
from tests.admin.conftest import numbers_of, text_of
from tests.factories import DemarcheFactory, DossierFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/dsintegration/dossier/"
NUMBER = 24518763


class TestSearch:
    @pytest.fixture(autouse=True)
    def dossiers(self):
        title = "DETR 2026 – Arrondissement de Dreux et de Châteaudun, l’aide aux écoles"
        demarche = DemarcheFactory(number=87210, title=title)
        email = "camille.durand@exemple.fr"
        DossierFactory(number=NUMBER, demarche=demarche, usager_email=email)
        DossierFactory(number=33333333, demarche__number=555, usager_email="zoe@example.org")

    @pytest.mark.parametrize(
        "text",
        [
            "durand",
            "DURAND",
            "camille.durand@",
            "Camille.Durand@exemple.fr",
            "24518",
            "518763",
            "24518763",
            "24.518.763",
            "24 518 763",
            "24'518'763",
            "24’518’763",
            "٢٤٥١٨٧٦٣",
            "24\u202f518\u202f763",
            "Dossier 24518763",
            "Dossier n° 24518763",
            "n°24518763",
            "\u200b24518763\ufeff",
            "https://demarche.numerique.gouv.fr/procedures/87210/dossiers/24518763/messagerie",
            "https://demarche.numerique.gouv.fr/dossiers/24518763",
            "24518763, 11111111",
            "24518763 11111111",
            "n° 24 518 763 et 11 111 111",
            "24518763 / 11111111",
            "(24518763)",
            "#24518763",
            "DETR Dreux",
            "dreux detr",
            "chateaudun",
            "CHÂTEAUDUN",
            "l'aide ecoles",
            "87210",
        ],
    )
    def test_what_callers_give(self, reader, text):
        assert numbers_of(reader.get(LIST, {"q": text})) == [NUMBER]

    @pytest.mark.parametrize(
        "text", ["dupond", "99999", "DETR Chartres", "%", "_____", "0", "9" * 400, "(", "\\"]
    )
    def test_what_nobody_has(self, reader, text):
        assert numbers_of(reader.get(LIST, {"q": text})) == []

    def test_several_numbers(self, reader):
        found = numbers_of(reader.get(LIST, {"q": "24518763;33333333"}))
        assert sorted(found) == [NUMBER, 33333333]

    def test_no_result_offers_to_fetch(self, reader, enter, sandbox):
        page = reader.get(LIST, {"q": "Dossier n° 12 345"})
        assert "Récupérer le n° 12345" in text_of(page)
        numbers = re.search(r'name="numbers" value="([^"]*)"', page.content.decode())[1]
        reader.post(f"{LIST}fetch/", {"numbers": numbers})
        assert Dossier.objects.filter(number=12345).exists()
        assert "Récupérer le n°" not in text_of(reader.get(LIST, {"q": "12345"}))
        assert "Récupérer le n°" not in text_of(reader.get(LIST, {"q": "dupond"}))
        other = enter("looker", "view_dossier")
        assert "Récupérer le n°" not in text_of(other.get(LIST, {"q": "12346"}))

    @pytest.mark.parametrize("text", ["87210", "87210 – DETR", "dreux detr", "n° 87210"])
    def test_the_filter_of_demarches(self, reader, text):
        assert numbers_of(reader.get(LIST, {"demarche": text})) == [NUMBER]

    def test_demarches_by_words(self, enter):
        client = enter("looker", "view_demarche")
        found = client.get("/admin/dsintegration/demarche/", {"q": "chateaudun detr"})
        assert numbers_of(found) == [87210]


class TestNeverLost:
    @pytest.fixture
    def queue(self):
        """Five that await an answer, oldest first, among others."""
        rows = []
        for rank in range(5):
            at = f"2026-03-0{rank + 1}T09:00:00Z"
            rows.append(DossierFactory(usager_spoke_last=True, waiting_since=at, last_human_at=at))
            DossierFactory()
        return rows

    FILTERS = "situation=a_repondre"

    def page(self, client, dossier, filters=FILTERS):
        kept = f"?_changelist_filters={quote(filters)}" if filters else ""
        return client.get(f"{LIST}{dossier.pk}/change/{kept}")

    def test_the_list_leads_on_with_its_filters(self, reader, queue):
        page = reader.get(f"{LIST}?{self.FILTERS}").content.decode()
        assert f"{queue[0].pk}/change/?_changelist_filters=situation%3Da_repondre" in page

    def test_back_and_beside(self, reader, queue):
        html = self.page(reader, queue[2]).content.decode()
        kept = "?_changelist_filters=situation%3Da_repondre"
        assert f'href="{LIST}?{self.FILTERS}">← Retour à la liste' in html
        assert f'{queue[1].pk}/change/{kept}" rel="prev"' in html
        assert f'{queue[3].pk}/change/{kept}" rel="next"' in html
        for path in ("refresh", "settle", "history"):
            assert f"{queue[2].pk}/{path}/{kept}" in html

    def test_the_ends(self, reader, queue):
        first, last = (self.page(reader, queue[rank]).content.decode() for rank in (0, -1))
        assert 'rel="prev"' not in first
        assert 'rel="next"' not in last

    def test_over_the_edge_of_a_page(self, reader, queue, monkeypatch):
        monkeypatch.setattr("dsintegration.admin.dossiers.DossierAdmin.list_per_page", 2)
        html = self.page(reader, queue[2], f"{self.FILTERS}&p=2").content.decode()
        assert f"{queue[1].pk}/change/" in html
        assert f"{queue[3].pk}/change/" in html

    @pytest.mark.parametrize(
        "filters", ["", "nope=1", "situation=%00", "p=x", "q=%00", "o=99", "situation=absent"]
    )
    def test_odd_filters(self, reader, queue, filters):
        response = self.page(reader, queue[2], filters)
        assert response.status_code == 200
        assert 'rel="next"' not in response.content.decode() or filters in {"p=x", "o=99", "q=%00"}

    def test_after_a_refresh(self, reader, sandbox):
        dossier = fetch_dossier(12347).dossier
        kept = "?_changelist_filters=situation%3Da_repondre"
        response = reader.post(f"{LIST}{dossier.pk}/refresh/{kept}")
        assert response.url == f"{LIST}{dossier.pk}/change/{kept}"

    def test_the_title_and_the_marks(self, reader, queue):
        html = reader.get(f"{LIST}?{self.FILTERS}&q=dreux&o=3").content.decode()
        assert re.search(r"<title>Dossiers – À répondre, recherche « dreux »", html)
        html = reader.get(f"{LIST}?{self.FILTERS}&o=3").content.decode()
        assert '<a href="?o=3&amp;situation=a_repondre" aria-current="true">' in html
        assert 'aria-sort="ascending"' in html
        assert "<caption" in html

    def test_filters_stand_before_the_rows(self, reader, queue):
        html = reader.get(LIST).content.decode()
        assert html.index('id="changelist-filter"') < html.index('id="result_list"')
        stops = len(re.findall(r"<(a|input|select|button|summary)\b", html.partition("Filtres")[0]))
        assert stops < 40
