"""What is kept of a dossier, on its page in the admin: as its form is, and to whom."""

import io
import itertools
import re

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from dsintegration import journal
from dsintegration.mirror.choices import choose
from dsintegration.models import Demarche, Dossier, Perimeter
from dsintegration.sandbox.forms import FORMS, Line, answers, champ_id
from dsintegration.services import fetch_dossier, read_form
from tests.admin.conftest import text_of
from tests.factories import dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

ALL = ("--champs", "all", "--annotations", "all", "--demandeur", "yes", "--instruction", "yes")


def page_of(dossier) -> str:
    return f"/admin/dsintegration/dossier/{dossier.pk}/change/"


@pytest.fixture
def whole(sandbox):
    """Dossier 12345 with all that can be kept of it."""
    call_command("setup_demarche", "901", *ALL, verbosity=0, stdout=io.StringIO())
    return fetch_dossier(12345).dossier


@pytest.fixture
def asked(sandbox, monkeypatch):
    """A dossier of démarche 7 whose form has these lines, and whose usager gave these values."""

    def fetch(form, values):
        monkeypatch.setitem(FORMS, 7, (tuple(form), ()))
        sandbox.dossiers[70_001] = dossier_answer(70_001, champs=answers(form, values))
        demarche = read_form(7)
        kept = [row.ds_id for row in demarche.champs.all() if row.can_be_kept]
        choose(demarche, by=journal.CODE, champs=kept)
        return fetch_dossier(70_001).dossier

    return fetch


class TestPage:
    def test_as_the_form_is(self, reader, whole):
        text = text_of(reader.get(page_of(whole)))
        for words in (
            "Nom de l'association Les Cordes vocales",
            "Numéro SIRET LES CORDES VOCALES (44011762001530)",
            "Fondation partenaire sans réponse",
            "Adresse du siège 4 rue de l'Exemple 28100 Dreux",
            "Publics visés Enfants Familles, amis",
            "Lieu et salle Théâtre / Grande salle",
            "Date de la représentation 19 décembre 2026",
            "Montage à partir du 18 décembre 2026 à 14:30",
            "Commune Dreux (28100)",
            "Parcelle 28134 000 AB 12 (1240 m²)",
            "La scène et les gradins",
            "Nombre de spectateurs attendus 850",
            "Montant demandé (en euros) 4300,5",
            "Avez-vous déjà reçu une subvention ? Oui",
            "Partenaire Apport en euros Ville d'Exemple 1500 Crédit des arts 800",
            "Pièce d'identité du président Fourni",
            "Avis du service culture Favorable",
        ):
            assert words in text, words
        assert "Ne décrivez ici que" not in text
        order = ["Le porteur du projet", "La manifestation", "Discipline", "Le budget"]
        places = [text.index(words) for words in order]
        assert places == sorted(places)

    def test_files_stand_where_they_were_asked_for(self, reader, whole, sandbox):
        [rib] = whole.files.filter(place="champ")
        page = reader.get(page_of(whole))
        assert "Relevé d'identité bancaire rib-association.pdf" in text_of(page)
        opened = reader.get(f"/admin/dsintegration/dossier/{whole.pk}/files/{rib.pk}/")
        assert f"/files/{rib.pk}/" in page.content.decode()
        assert opened.status_code == 200
        assert b"".join(opened).startswith(b"%PDF")

    def test_people_and_history(self, reader, whole):
        text = text_of(reader.get(page_of(whole)))
        assert "Organisme LES CORDES VOCALES SIRET 44011762001530 Déposé par Sam" in text
        assert "Labels À compléter" in text
        assert whole.instruction["groupe_instructeur"]["label"] in text
        assert "Décisions et passages Déposé 07/09/2026 à 10:02" in text
        assert "Passé en instruction" in text

    def test_headings_are_in_steps_and_ids_are_unique(self, reader, whole):
        page = reader.get(page_of(whole)).content.decode()
        levels = [int(level) for level in re.findall(r"<h([1-6])\b", page)]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert "style=" not in page.partition("<main")[2]

    def test_a_map_is_drawn_here(self, reader, whole):
        page = reader.get(page_of(whole)).content.decode()
        [svg] = re.findall(r"<svg.*?</svg>", page.partition('class="ds-map"')[2], re.DOTALL)[:1]
        assert svg.count("<polygon") == 2
        assert "ds-parcel" in svg
        numbers = [
            float(n) for n in re.findall(r"[\d.]+", " ".join(re.findall(r'points="(.*?)"', svg)))
        ]
        assert max(numbers) <= 320
        assert min(numbers) >= 0
        assert "Largeur du tracé : environ" in page

    @pytest.mark.parametrize(
        ("kind", "coordinates", "tag"),
        [
            ("Point", [1.3, 48.7], "circle"),
            ("MultiPoint", [[1.3, 48.7], [1.4, 48.7]], "circle"),
            ("LineString", [[1.3, 48.7], [1.4, 48.8], [1.5, 48.7]], "polyline"),
            ("MultiPolygon", [[[[1.3, 48.7], [1.4, 48.8], [1.5, 48.7], [1.3, 48.7]]]], "polygon"),
            ("Polygon", [[[1.3, 48.7], [1e300, 48.8], [1.5, 48.7]]], "polygon"),
            ("Polygon", [], None),
            ("Polygon", [[[]]], None),
            ("Unheard", [7], None),
        ],
    )
    def test_any_shape(self, reader, asked, kind, coordinates, tag):
        area = {
            "__typename": "SelectionUtilisateur",
            "source": "selection_utilisateur",
            "description": "Ici <b>",
            "geometry": {"type": kind, "coordinates": coordinates},
        }
        dossier = asked([Line(1, "Carte", "Carte")], {1: [area]})
        page = reader.get(page_of(dossier)).content.decode()
        assert "Ici &lt;b&gt;" in page
        assert (f"<{tag} " in page) if tag else ('class="ds-map"' not in page)

    def test_a_map_of_many_points_stays_small(self, reader, asked):
        ring = [[1 + n / 1e5, 48 + (n % 7) / 1e4] for n in range(30_000)]
        area = {
            "__typename": "SelectionUtilisateur",
            "source": "selection_utilisateur",
            "description": None,
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        }
        dossier = asked([Line(1, "Carte", "Carte")], {1: [area]})
        assert len(reader.get(page_of(dossier)).content) < 100_000

    def test_titles_lead_to_answers_alone(self, reader, asked):
        form = [
            Line(1, "HeaderSection", "Titre sans rien"),
            Line(2, "HeaderSection", "Titre un"),
            Line(3, "HeaderSection", "Titre deux", level=2),
            Line(4, "Text", "Question"),
            Line(5, "HeaderSection", "Titre trois", level=2),
            Line(6, "Text", "Autre"),
        ]
        page = reader.get(page_of(asked(form, {4: "réponse", 6: "encore"}))).content.decode()
        titles = re.findall(r'<h(\d) class="ds-heading"><bdi>(.*?)</bdi>', page)
        assert titles == [("3", "Titre un"), ("4", "Titre deux"), ("4", "Titre trois")]

    def test_a_long_answer_is_folded(self, reader, asked):
        dossier = asked([Line(1, "Textarea", "Projet")], {1: "mot " * 400})
        page = reader.get(page_of(dossier)).content.decode()
        assert page.count('<details class="ds-folded"><summary><bdi>mot mot') == 1

    def test_foreign_text_stays_text(self, reader, asked):
        form = [Line(1, "Text", "<script>alert(1)</script>"), Line(2, "Text", "Nom")]
        dossier = asked(form, {1: "<img src=x>", 2: "\u202egro.elpmaxe"})
        page = reader.get(page_of(dossier)).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page

    def test_numbers_and_unknown_kinds(self, reader, asked):
        form = [
            Line(1, "IntegerNumber", "Grand"),
            Line(2, "DecimalNumber", "Petit"),
            Line(3, "Phone", "Autre chose"),
            Line(4, "YesNo", "Oui ou non"),
            Line(5, "Repetition", "Bloc", inner=(Line(6, "Text", "Dedans"),)),
        ]
        text = text_of(reader.get(page_of(asked(form, {1: 1234567, 2: -0.25, 3: "tel quel"}))))
        assert "Grand 1 234 567 Petit -0,25 Autre chose tel quel" in text
        assert "Oui ou non sans réponse Bloc sans réponse" in text


class TestLinks:
    FORM = (Line(1, "DossierLink", "Dossier précédent"),)

    def test_to_a_dossier_that_may_be_seen(self, reader, asked):
        other = fetch_dossier(12345).dossier
        page = reader.get(page_of(asked(self.FORM, {1: 12345}))).content.decode()
        assert f'<a href="{page_of(other)}">Dossier n° 12345</a>' in page

    def test_to_none_other(self, enter, asked):
        other = fetch_dossier(12345).dossier
        dossier = asked(self.FORM, {1: 12345})
        limited = enter("limited", "view_dossier", everywhere=False)
        group = Group.objects.create(name="Service")
        limited.user.groups.add(group)
        Perimeter.objects.create(group=group).demarches.set([dossier.demarche])
        page = limited.get(page_of(dossier)).content.decode()
        assert page_of(other) not in page
        assert "12345" in page


class TestStates:
    def test_nothing_chosen_shows_nothing(self, reader, enter, sandbox):
        dossier = fetch_dossier(12345).dossier
        text = text_of(reader.get(page_of(dossier)))
        assert "Formulaire" not in text
        assert "Rien du formulaire n'est conservé ici" not in text
        chief = enter("chief", "view_dossier", "change_demarche", "view_demarche")
        page = chief.get(page_of(dossier))
        assert "Rien du formulaire n'est conservé ici : choisir ce qui l'est." in text_of(page)
        assert f"/demarche/{dossier.demarche_id}/formulaire/" in page.content.decode()

    def test_what_is_still_to_come(self, reader, sandbox):
        dossier = fetch_dossier(12345).dossier
        choose(read_form(901), by=journal.CODE, champs=[champ_id(101)])
        text = text_of(reader.get(page_of(dossier)))
        assert "Le contenu choisi viendra avec le prochain rafraîchissement." in text

    def test_what_could_not_be_read(self, reader, whole):
        Dossier.objects.update(
            content_error_reason="unexpected", content_error_at="2026-11-20T10:00:00Z"
        )
        text = text_of(reader.get(page_of(whole)))
        assert (
            "Le contenu de ce dossier n'a pas pu être lu le 20/11/2026 à 11:00 : ce qui suit "
            "est plus ancien." in text
        )

    def test_the_form_costs_a_fixed_number_of_statements(
        self, reader, asked, django_assert_max_num_queries
    ):
        form = [Line(key, "Text", f"Champ {key}") for key in range(1, 301)]
        dossier = asked(form, dict.fromkeys(range(1, 301), "réponse"))
        Demarche.objects.update(title="Longue")
        with django_assert_max_num_queries(14):
            reader.get(page_of(dossier))
