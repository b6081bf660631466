"""`manage.py setup_demarche`: what it shows and chooses, and what it says for the register."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.utils import timezone

from dsintegration import journal
from dsintegration.mirror.choices import choose
from dsintegration.models import ApiKey, Demarche, Dossier, JournalEntry, Perimeter
from dsintegration.sandbox.forms import SHORT_FORM, champ_id
from dsintegration.services import fetch_dossier
from tests.content import keep_all
from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db(transaction=True)

NAME, SIRET, PARTNERS, RIB, REMARK = (champ_id(key) for key in (101, 102, 136, 139, 201))


@pytest.fixture
def run(sandbox, capsys):
    def run(*words, number="901"):
        call_command("setup_demarche", number, *words)
        return capsys.readouterr().out

    return run


class TestChoosing:
    def test_shows_the_form_and_chooses_nothing(self, run):
        said = run()
        assert f"[ ] {SIRET}  Numéro SIRET (Siret" in said
        assert "# Le budget" in said
        assert "Conservés : 0 champ sur 29, 0 annotation sur 3" in said
        assert not JournalEntry.objects.exists()

    def test_chooses(self, run):
        said = run("--champs", f"{SIRET},{RIB}", "--annotations", REMARK, "--demandeur", "yes")
        assert f"[x] {SIRET}" in said
        assert f"[ ] {NAME}" in said
        assert "2 champs sur 29, 1 annotation sur 3, demandeur : oui, instruction : non" in said
        [entry] = JournalEntry.objects.filter(action="choose")
        assert (entry.interface, entry.demarche_number) == ("command", 901)

    def test_all_and_none(self, run):
        assert "29 champs sur 29" in run("--champs", "all")
        assert "0 champ sur 29" in run("--champs", "none")

    def test_less_is_erased_at_once(self, run, sandbox):
        keep_all(901)
        fetch_dossier(12345)
        said = run("--champs", SIRET, "--demandeur", "no")
        assert "Effacé de 1 dossier : ce qui n'est plus choisi." in said
        dossier = Dossier.objects.get()
        assert [champ["id"] for champ in dossier.champs] == [SIRET]
        assert dossier.demandeur is None

    def test_says_what_is_to_come(self, run, sandbox):
        fetch_dossier(12345)
        DossierFactory(demarche=Demarche.objects.get(), absent_since=timezone.now())
        DossierFactory()  # of another one
        assert "Le contenu de 1 dossier viendra" in run("--champs", SIRET)

    def test_a_form_that_cannot_be_read_changes_nothing(self, run, sandbox):
        run("--champs", NAME)
        before = list(Demarche.objects.values("number", "selection", "form_read_at"))
        private = {"id": ["camille@example.org"]}
        sandbox.revisions[901] = {"champDescriptors": [private], "annotationDescriptors": []}
        with pytest.raises(CommandError) as caught:
            run("--champs", SIRET)
        assert caught.value.returncode == 6
        failure = caught.value.__cause__
        assert (failure.reason, failure.__cause__) == ("unexpected", None)
        assert failure.__suppress_context__  # what pydantic says holds the values
        assert "camille" not in f"{failure}{failure.detail}"
        assert list(Demarche.objects.values("number", "selection", "form_read_at")) == before

    @pytest.mark.parametrize(
        ("words", "number", "status"),
        [
            (["--champs", f"{SIRET},{champ_id(999)}"], "901", 2),
            (["--champs", REMARK], "901", 2),  # an annotation
            (["--champs", champ_id(137)], "901", 2),  # of a repetition
            (["--champs", champ_id(100)], "901", 2),  # a title
            (["--champs", SIRET], "neuf cents", 2),
            (["--champs", SIRET], "903", 4),
            (["--champs", SIRET], "404", 3),
        ],
    )
    def test_bad_input_changes_nothing(self, run, sandbox, words, number, status):
        run("--champs", NAME)
        sandbox.unlistable = {903}
        before = list(Demarche.objects.values("number", "selection"))
        with pytest.raises(CommandError) as caught:
            run(*words, number=number)
        assert caught.value.returncode == status
        assert list(Demarche.objects.values("number", "selection")) == before


class TestRegister:
    def test_what_is_kept(self, run):
        run("--champs", f"{NAME},{PARTNERS}", "--annotations", REMARK, "--instruction", "yes")
        said = run("--report")
        assert "  - Nom de l'association (texte, obligatoire)\n" in said
        assert "  - Partenaires (bloc répétable, facultatif)\n      Partenaire (texte" in said
        assert "Rien de plus : 27 autres ne sont jamais demandés à la plateforme" in said
        assert "motivation de la décision" in said
        assert "Identité du demandeur" not in said
        assert "Numéro SIRET" not in said
        assert "Finalité, et ce à quoi sert chaque donnée conservée : [à compléter]" in said

    def test_nothing(self, run):
        said = run("--report")
        assert "Champs du formulaire, par choix\n  - Rien de plus : 29 autres" in said
        assert "Personnes et suivi, par choix\n  - Rien\n" in said

    def test_asks_the_platform_once(self, run, sandbox):
        run("--report")
        sandbox.received.clear()
        run("--report")
        assert not sandbox.received

    def test_uses_and_what_is_gone(self, run, sandbox):
        demarche = keep_all(901)
        uses = {"in_list": True, "is_searchable": True, "hidden_from_api": True}
        demarche.champs.filter(ds_id=SIRET).update(**uses)
        choose(demarche, by=journal.CODE)
        sandbox.revisions[901] = {
            "champDescriptors": [line.descriptor for line in SHORT_FORM],
            "annotationDescriptors": [],
        }
        run()
        [line] = [line for line in run("--report").splitlines() if "Numéro SIRET (num" in line]
        for words in ("en colonne", "sert à chercher", "caché aux autres", "n'est plus dans"):
            assert words in line

    def test_who_reads_it(self, run, sandbox):
        run("--champs", NAME)
        perimeter = Perimeter.objects.create(group=Group.objects.create(name="Culture"))
        perimeter.demarches.add(Demarche.objects.get())
        rights = {"can_read_personal_data": True, "all_demarches": True}
        ApiKey.objects.create_key(name="Entrepôt", can_read_content=True, **rights)
        ApiKey.objects.create_key(name="Portail", **rights)
        ApiKey.objects.create_key(name="Ailleurs", can_read_personal_data=True)
        ApiKey.objects.create_key(name="Révoquée", revoked=True, **rights)
        past = timezone.now() - timedelta(days=1)
        ApiKey.objects.create_key(name="Expirée", expiry_date=past, **rights)
        said = run("--report")
        assert "Agents des services : Culture" in said
        assert "Autre système, par clé : Entrepôt (tout, sauf les champs cachés)" in said
        assert "Autre système, par clé : Portail (adresse et messages)" in said
        assert not [name for name in ("Ailleurs", "Révoquée", "Expirée") if name in said]

    def test_delays_in_words(self, run, settings):
        settings.DS_PURGE_ABSENT_AFTER, settings.DS_PURGE_EXPIRED_AFTER = "90d", "12h"
        said = run("--report")
        assert "Dossier que la plateforme ne montre plus : 90 jours de plus" in said
        assert "annonçait l'expiration : 12 h de plus" in said
        assert "sans limite ; à décider (DS_PURGE_DELETED_BY_USAGER_AFTER)" in said

    @pytest.mark.parametrize(
        ("mode", "words"), [("off", "jamais demandés"), ("on_demand", "pas gardés")]
    )
    def test_files(self, run, settings, mode, words):
        settings.DS_FILES = mode
        assert "avis de l'antivirus ; leurs octets" in run("--report")
        assert words in run("--report")
