"""Several tokens: each démarche is read by the one that may."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from dsintegration import conf
from dsintegration.exceptions import DossierNotFound
from dsintegration.mirror.following import note_readers
from dsintegration.models import Demarche, Dossier
from dsintegration.platform.tokens import fingerprint
from dsintegration.services import fetch_dossier, fetch_dossiers
from tests.factories import dossier_answer
from tests.refresh.command import FIRST, Run
from tests.refresh.test_following import Follow

pytestmark = pytest.mark.django_db(transaction=True)

A, B = "a" * 84, "b" * 84


@pytest.fixture
def two(sandbox, settings):
    """Token A reads démarche 7, B reads 8; two dossiers of each."""
    settings.DS_API_TOKEN, settings.DS_API_TOKENS = "", [A, B]
    settings.DS_IN_FLIGHT = 1
    sandbox.rights = {A: {8}, B: {7}}
    for number in range(FIRST, FIRST + 4):
        key = 7 + number % 2
        demarche = {"id": f"Procedure-{key}", "number": key, "title": f"Aide {key}"}
        sandbox.dossiers[number] = dossier_answer(number, demarche=demarche, messages=[])
    return sandbox


def used(sandbox):
    return [request.headers["Authorization"][-1] for request in sandbox.received]


def test_an_unknown_dossier_is_tried_with_each(two):
    fetch_dossier(FIRST + 1)
    assert used(two) == ["a", "b"]
    assert Demarche.objects.get().token == fingerprint(B)
    assert B not in Demarche.objects.get().token


def test_a_demarche_that_nobody_read_lately_keeps_its_own(two):
    fetch_dossier(FIRST + 1)
    note_readers([Demarche.objects.get()], {7: fingerprint(A)})
    assert Demarche.objects.get().token == fingerprint(B)


def test_a_known_one_with_its_own(two):
    fetch_dossier(FIRST + 1)
    two.received.clear()
    fetch_dossier(FIRST + 3)  # unknown here: its démarche is
    fetch_dossier(FIRST + 1)
    assert used(two) == ["a", "b", "b"]


def test_a_batch(two):
    outcomes = list(fetch_dossiers(range(FIRST, FIRST + 4)))
    assert all(outcome.result for outcome in outcomes)
    assert used(two) == ["a", "a", "b"]
    readers = dict(Demarche.objects.values_list("number", "token"))
    assert readers == {7: fingerprint(A), 8: fingerprint(B)}
    two.received.clear()
    list(fetch_dossiers(range(FIRST, FIRST + 4), size=2))
    assert used(two) == ["a", "b"]


def test_what_is_not_there_is_not_looked_for_with_the_others(two):
    outcomes = {outcome.number: outcome for outcome in fetch_dossiers([FIRST, FIRST + 9])}
    assert outcomes[FIRST].result
    assert isinstance(outcomes[FIRST + 9].error, DossierNotFound)
    assert used(two) == ["a", "a"]


def test_a_refused_one_steps_aside(two, admin_client):
    del two.rights[A]
    fetch_dossier(FIRST + 1)
    fetch_dossier(FIRST + 3)
    assert used(two) == ["a", "b", "b"]
    page = admin_client.get("/admin/").content.decode()
    assert "1 jeton de DS_API_TOKENS est refusé par la plateforme" in page


def test_a_refresh_goes_on_without_it(two):
    list(fetch_dossiers(range(FIRST, FIRST + 4)))
    del two.rights[A]
    run = Run("--full")
    assert "Récupérés : 2 (changés : 0)" in run.out
    assert Dossier.objects.failing().count() == 2  # nobody has a right to them now


def test_follow(two):
    assert "Récupérés : 2," in Follow("8").out
    assert Demarche.objects.get(number=8).token == fingerprint(B)
    two.received.clear()
    Run()
    assert used(two) == ["b"]


@pytest.mark.parametrize(
    ("one", "several", "words"),
    [(A, [B], "tous deux"), ("", [A, "x y"], "blanc"), ("", A, "liste"), ("", [], "manque")],
)
def test_settings(settings, one, several, words):
    settings.DS_API_TOKEN, settings.DS_API_TOKENS = one, several
    with pytest.raises(ImproperlyConfigured, match=words):
        conf.api_tokens()


def test_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DS_API_TOKENS", f"{A}, {B}")
    assert env.secrets("DS_API_TOKENS") == [A, B]
    file = tmp_path / "tokens"
    file.write_text(f"{A}\n\n{B}\n")
    monkeypatch.delenv("DS_API_TOKENS")
    monkeypatch.setenv("DS_API_TOKENS_FILE", str(file))
    assert env.secrets("DS_API_TOKENS") == [A, B]
    monkeypatch.setenv("DS_API_TOKEN_EXPIRES", "2027-06-30,2027-09-30")
    assert [day.month for day in env.days("DS_API_TOKEN_EXPIRES")] == [6, 9]


class TestRotation:
    """docs/exploitation.md, « Renouveler le jeton »: A gives way to B, and nothing ever fails."""

    NUMBERS = range(FIRST, FIRST + 4)

    def whole(self):
        run = Run("--full", "--older-than", "0s")
        assert run.status == 0, run.err
        assert not Dossier.objects.failing().exists()
        return run

    def test_no_minute_is_lost(self, two, settings):
        two.rights = {A: set(), B: set()}
        settings.DS_API_TOKENS = [A]
        list(fetch_dossiers(self.NUMBERS))
        settings.DS_API_TOKENS = [B, A]  # the new one beside the old one
        self.whole()
        del two.rights[A]  # which is then removed from the platform
        assert all(outcome.result for outcome in fetch_dossiers(self.NUMBERS))
        assert fetch_dossier(FIRST).dossier
        self.whole()
        settings.DS_API_TOKENS = [B]
        two.received.clear()
        self.whole()
        assert set(used(two)) == {"b"}

    def test_a_new_one_that_does_not_work_costs_nothing(self, two, settings, admin_client):
        two.rights = {A: set()}
        settings.DS_API_TOKENS = [A]
        list(fetch_dossiers(self.NUMBERS))
        settings.DS_API_TOKENS = [B, A]
        self.whole()
        assert fetch_dossier(FIRST).dossier
