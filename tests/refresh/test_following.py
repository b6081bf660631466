"""Whole démarches: imported, kept fresh, learnt of by themselves."""

import html
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from dsintegration.models import Demarche, Dossier, Platform
from dsintegration.platform.documents import (
    GET_DELETED,
    GET_MOVED,
    GET_MOVED_WHOLE,
    GET_PENDING,
)
from dsintegration.sandbox import Reply
from dsintegration.signals import dossier_changed
from tests.factories import DemarcheFactory, DossierFactory, dossier_answer, message_answer
from tests.refresh.command import FIRST, Run, change, lists_asked, numbers_asked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def platform(sandbox, settings):
    """Puts so many dossiers of démarche 7 on the platform, and none here."""
    settings.DS_IN_FLIGHT = 1

    def put(count, first=FIRST):
        for number in range(first, first + count):
            messages = [message_answer(f"m{number}")]
            sandbox.dossiers[number] = dossier_answer(number, messages=messages)
        return list(range(first, first + count))

    return put


class Follow:
    def __init__(self, *words):
        out, err = io.StringIO(), io.StringIO()
        self.status = 0
        try:
            call_command("follow_demarche", *words, stdout=out, stderr=err)
        except CommandError as error:
            self.status, self.err = error.returncode, str(error)
        self.out = out.getvalue()


def reading(admin_client, page):
    """What the page of a démarche says of its list."""
    found = re.search(
        r'field-read">.*?<div class="readonly">(.*?)</div>',
        admin_client.get(page).content.decode(),
        re.DOTALL,
    )
    return html.unescape(strip_tags(found[1])).strip()


def sizes(sandbox):
    return [asked["first"] for asked in lists_asked(sandbox, GET_MOVED_WHOLE, GET_MOVED)]


class TestImport:
    def test_a_hundred_a_request(self, sandbox, platform):
        platform(250)
        follow = Follow("7")
        assert follow.out.startswith("« Demande d'aide » est suivie. Récupérés : 250, en échec : 0")
        assert Dossier.objects.count() == 250
        assert len(sandbox.received) == 1 + 3

    def test_news_come_by_themselves(self, sandbox, platform):
        [first, *_] = platform(120)
        Follow("7")
        sandbox.received.clear()
        change(sandbox, first)
        new = 80_000
        sandbox.dossiers[new] = dossier_answer(new, messages=[message_answer("new")])
        change(sandbox, new)
        run = Run()
        assert run.out.startswith("Récupérés : 2 (changés : 2)")
        assert len(sandbox.received) == 1
        assert Dossier.objects.get(number=new).state == "accepte"
        assert Dossier.objects.get(number=first).state == "accepte"

    def test_what_is_due_and_did_not_move_is_vouched_for(self, sandbox, platform):
        platform(120)
        Follow("7")
        hour = timedelta(hours=2)
        for row in Dossier.objects.all():
            row.checked_at -= hour
            row.save()
        row = Demarche.objects.get()
        row.covered_from -= hour
        row.read_until -= hour / 4
        row.save()
        sandbox.received.clear()
        run = Run()
        assert "leur démarche : 120," in run.out
        assert [len(lists_asked(sandbox, d)) for d in (GET_MOVED_WHOLE, GET_PENDING)] == [1, 1]
        assert not numbers_asked(sandbox)

    def test_however_often_its_list_was_read_since(self, sandbox, platform):
        platform(3)
        Follow("7")
        covered_from = Demarche.objects.get().covered_from
        Run()
        assert Demarche.objects.get().covered_from == covered_from
        Run("--full")
        assert Demarche.objects.get().covered_from > covered_from

    def test_not_those_that_were_checked_before_it_was_followed(self, sandbox, platform):
        platform(120)
        Follow("7")
        Dossier.objects.update(checked_at=timezone.now() - timedelta(hours=2))
        assert "Récupérés : 120 (" in Run().out

    def test_an_import_that_was_cut_short_goes_on(self, sandbox, platform, monkeypatch):
        platform(350)
        whole = sandbox.answer

        def cut(request):
            if request.body["variables"].get("after") and len(sandbox.received) > 3:
                return Reply(503)
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", cut)
        follow = Follow("7")
        assert follow.status == 5
        assert "La suite au prochain rafraîchissement" in follow.err
        assert Dossier.objects.count() == 200
        sandbox.received.clear()
        monkeypatch.setattr(sandbox, "answer", whole)
        Demarche.objects.update(next_list_at=None)
        Run()
        assert Dossier.objects.count() == 350
        assert len(lists_asked(sandbox, GET_MOVED_WHOLE)) == 2
        assert Demarche.objects.get().read_until

    def test_few_of_a_page_at_a_time(self, sandbox, platform, monkeypatch):
        """Others write in between: each is announced once it is stored, before the next ones."""
        monkeypatch.setattr("dsintegration.refresh.lists.AT_ONCE", 2)
        platform(5)
        stored = []

        def look(**_):
            stored.append(Dossier.objects.count())

        dossier_changed.connect(look)
        Follow("7")
        dossier_changed.disconnect(look)
        assert stored == [2, 2, 4, 4, 5]
        assert len(lists_asked(sandbox, GET_MOVED_WHOLE)) == 1

    def test_pages_shrink_and_grow_back(self, sandbox, platform, monkeypatch):
        platform(300)
        whole, large = sandbox.answer, []

        def slow(request):
            if request.body["variables"].get("first", 0) > 60 and len(large) < 1:
                large.append(1)
                return Reply(504)
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", slow)
        Follow("7")
        assert sizes(sandbox) == [100, 50, 100, 100, 100]
        assert Dossier.objects.count() == 300

    def test_one_dossier_that_no_page_can_bring(self, sandbox, platform, monkeypatch):
        numbers = platform(120)
        culprit = numbers[60]
        sandbox.replies[culprit] = Reply(504)
        whole = sandbox.answer

        def choke(request):
            reply = whole(request)
            text = reply.encoded().decode()
            if request.body["query"] == GET_MOVED_WHOLE.text and f'"Dossier-{culprit}"' in text:
                return Reply(504)
            return reply

        monkeypatch.setattr(sandbox, "answer", choke)
        Follow("7")
        assert Dossier.objects.count() == 119
        assert Demarche.objects.get().read_until

    def test_full_reads_it_anew(self, sandbox, platform):
        [first, *_] = platform(120)
        Follow("7")
        sandbox.received.clear()
        sandbox.dossiers[first]["usager"] = {"id": "u", "email": "other@example.org"}
        Run("--full")
        assert Dossier.objects.of_usager("other@example.org").exists()
        assert len(lists_asked(sandbox, GET_MOVED_WHOLE)) == 2
        assert not numbers_asked(sandbox)

    def test_the_watermark_waits_for_a_whole_list(self, sandbox, platform):
        [first, *_] = platform(3)
        Follow("7")
        before = Demarche.objects.get().read_until
        sandbox.hidden.add(first)
        change(sandbox, first)
        Run()
        assert Demarche.objects.get().read_until == before
        sandbox.hidden.clear()
        Run()
        assert Demarche.objects.get().read_until > before
        assert Dossier.objects.get(number=first).state == "accepte"

    def test_a_list_that_does_not_go_on(self, sandbox, platform, monkeypatch):
        """Its cursor stays where it is: no refresh would ever end."""
        platform(3)
        Follow("7")
        sandbox.received.clear()
        page = {"pageInfo": {"hasNextPage": True, "endCursor": "again"}, "nodes": []}
        again = Reply(body={"data": {"demarche": {"number": 7, "list": page}}})
        monkeypatch.setattr(
            sandbox, "answer", lambda _: again if len(sandbox.received) < 30 else Reply(503)
        )
        run = Run()
        assert run.status == 6
        assert len(sandbox.received) < 10
        assert Demarche.objects.get().next_list_at

    def test_one_that_went(self, sandbox, platform):
        [first, *_] = platform(120)
        Follow("7")
        del sandbox.dossiers[first]
        sandbox.deleted[first] = datetime.now(UTC).isoformat(timespec="seconds")
        Dossier.objects.update(checked_at=timezone.now() - timedelta(hours=2))
        Demarche.objects.update(covered_from=timezone.now() - timedelta(hours=3))
        Run()
        assert Dossier.objects.get(number=first).erased_at
        assert len(lists_asked(sandbox, GET_DELETED)) == 1


class TestWhoSaysSo:
    def test_stop_forgets_nothing(self, sandbox, platform):
        platform(3)
        Follow("7")
        stop = Follow("7", "--stop")
        assert stop.out == "La démarche n° 7 n'est plus suivie ; ses dossiers restent.\n"
        assert Dossier.objects.count() == 3
        sandbox.received.clear()
        Run()
        assert not lists_asked(sandbox)
        assert Follow("7", "--stop").status == 2

    def test_twice_is_once(self, sandbox, platform):
        platform(120)
        Follow("7")
        sandbox.received.clear()
        Follow("7")
        assert len(sandbox.received) == 2

    @pytest.mark.parametrize(
        ("number", "status", "words"),
        [
            ("x", 2, "« x » n'est pas un numéro de démarche ; écrivez-le en chiffres"),
            ("0", 2, "« 0 » n'est pas un numéro de démarche : il va de 1 à"),
            ("9", 4, "Démarche n° 9 : le jeton n'a pas accès"),
            ("404", 3, "Démarche n° 404 : la plateforme ne connaît pas cette démarche"),
        ],
    )
    def test_what_cannot_be_followed(self, sandbox, number, status, words):
        sandbox.unlistable.add(9)
        follow = Follow(number)
        assert (follow.status, follow.out) == (status, "")
        assert follow.err.startswith(words)
        assert not Demarche.objects.exists()
        assert len(sandbox.received) == (status != 2)

    def test_one_that_is_deleted_on_the_platform(self, sandbox, platform):
        """All that it had is not there any more, and another one is none the worse."""
        platform(120)
        other = {"id": "Procedure-8", "number": 8, "title": "Voirie"}
        sandbox.dossiers[500] = dossier_answer(500, demarche=other)
        Follow("7")
        Follow("8")
        sandbox.dossiers = {500: dossier_answer(500, demarche=other)}
        sandbox.demarches.clear()
        change(sandbox, 500)
        Dossier.objects.update(checked_at=timezone.now() - timedelta(hours=2))
        sandbox.received.clear()
        run = Run()
        assert run.status == 3
        assert "par exemple la démarche n° 7 : la plateforme ne connaît pas cette" in run.err
        assert "ne la suivez plus" in run.err
        # Three lists, none of them asked for again in smaller pages.
        asked = [request.body["variables"] for request in sandbox.received]
        assert sum(one.get("demarche") == 7 for one in asked) == 3
        assert Dossier.objects.filter(absent_since=None).get().state == "accepte"
        assert Dossier.objects.count() == 121

    def test_in_the_admin(self, admin_client, sandbox, platform):
        platform(3)
        demarche = DemarcheFactory(number=7)
        page = reverse("admin:dsintegration_demarche_change", args=[demarche.pk])
        assert "Suivie en entier" in admin_client.get(page).content.decode()
        assert reading(admin_client, page) == (
            "Seuls les dossiers que quelqu'un a demandés sont ici."
        )
        response = admin_client.post(page, {"followed": "on"}, follow=True)
        assert "Le prochain rafraîchissement récupérera" in response.content.decode()
        assert reading(admin_client, page) == "Au prochain rafraîchissement."
        Run()
        assert Dossier.objects.count() == 3
        assert reading(admin_client, page).startswith("Tout ce qui a bougé avant le ")
        read_until = Demarche.objects.get().read_until
        admin_client.post(page, {"followed": "on", "decision_hidden": "on"})
        row = Demarche.objects.get()
        assert (row.read_until, row.decision_hidden) == (read_until, True)
        admin_client.post(page, {})
        assert not Demarche.objects.get().followed

    def test_the_admin_says_how_far_an_import_is(self, admin_client, sandbox):
        demarche = DemarcheFactory(number=7, followed=True, reading_cursor="c")
        DossierFactory.create_batch(2, demarche=demarche)
        page = reverse("admin:dsintegration_demarche_change", args=[demarche.pk])
        assert reading(admin_client, page) == "Récupération commencée, dossiers déjà ici : 2."

    def test_the_admin_says_that_it_cannot_be_read(self, admin_client, sandbox, platform):
        platform(3)
        Follow("7")
        sandbox.unlistable.add(7)
        Run()
        page = reverse(
            "admin:dsintegration_demarche_change", args=[Demarche.objects.get(number=7).pk]
        )
        said = reading(admin_client, page)
        assert said.startswith("La plateforme ne la donne pas (échecs de suite : 1). Elle est ")
        sandbox.unlistable.clear()
        Demarche.objects.update(next_list_at=timezone.now())
        Run()
        assert reading(admin_client, page).startswith("Tout ce qui a bougé")


class TestCutShort:
    """A platform that gives one page of a list, and then no more."""

    @pytest.fixture
    def cut(self, sandbox, platform, monkeypatch):
        """Démarche 7 is followed, 120 of its dossiers moved since, and one page of them came."""
        numbers = platform(120)
        Follow("7")
        Demarche.objects.update(read_until=timezone.now() - timedelta(hours=1))
        for number in numbers:
            change(sandbox, number)
        self.one_page(sandbox, monkeypatch)
        self.before = Demarche.objects.get().read_until
        Run()
        monkeypatch.undo()
        sandbox.received.clear()
        return numbers

    def one_page(self, sandbox, monkeypatch):
        whole = sandbox.answer

        def answer(request):
            return Reply(503) if request.body["variables"].get("after") else whole(request)

        monkeypatch.setattr(sandbox, "answer", answer)

    def first(self, sandbox):
        return lists_asked(sandbox, GET_MOVED_WHOLE)[0]

    def test_it_steps_back_while_the_platform_answers_others(self, sandbox, cut):
        row = Demarche.objects.get()
        assert (row.list_tries, row.read_until, bool(row.reading_cursor)) == (1, self.before, True)
        Run()
        assert not lists_asked(sandbox)

    def test_the_next_one_goes_on_from_there(self, sandbox, cut):
        Demarche.objects.update(next_list_at=None)
        began = Demarche.objects.get().reading_since
        Run()
        first = self.first(sandbox)
        assert first["after"]
        assert datetime.fromisoformat(first["since"]) == began.replace(microsecond=0)
        assert Dossier.objects.filter(state="accepte").count() == 120
        row = Demarche.objects.get()
        assert (row.list_tries, row.reading_cursor) == (0, "")
        assert row.read_until > self.before

    def test_a_full_one_begins_at_the_beginning(self, sandbox, cut):
        Demarche.objects.update(next_list_at=None)
        Run("--full")
        first = self.first(sandbox)
        assert "after" not in first
        assert first["since"].startswith("2010-")
        assert len(lists_asked(sandbox, GET_MOVED_WHOLE)) == 2

    def test_what_a_full_one_had_read_is_no_beginning(self, sandbox, platform, monkeypatch):
        """It was read from 2010 on: a quarter-hourly one does not go on with that."""
        platform(120)
        Follow("7")
        self.one_page(sandbox, monkeypatch)
        Run("--full")
        row = Demarche.objects.get()
        assert (row.reading_cursor, row.list_tries) == ("", 1)

    def test_a_cursor_that_it_stumbles_over_is_forgotten(self, sandbox, cut, monkeypatch):
        Demarche.objects.update(next_list_at=None)
        self.one_page(sandbox, monkeypatch)
        Run()
        row = Demarche.objects.get()
        assert (row.reading_cursor, row.read_until) == ("", self.before)

    def test_a_platform_that_is_down_is_not_its_fault(self, sandbox, cut, monkeypatch):
        Demarche.objects.update(next_list_at=None, list_tries=0)
        Dossier.objects.update(checked_at=timezone.now() - timedelta(hours=2))
        monkeypatch.setattr("dsintegration.platform.outage.IN_A_ROW", 1)
        monkeypatch.setattr(sandbox, "answer", lambda _: Reply(503))
        assert Run().status == 5
        row = Demarche.objects.get()
        assert (row.list_tries, bool(row.reading_cursor)) == (0, True)
        assert Platform.objects.get().last_error_reason == "maintenance"


def test_a_dossier_of_a_page_that_cannot_be_read(sandbox, platform):
    """It fails by itself; its neighbours, and the list, are as they should be."""
    [culprit, *_] = numbers = platform(3)
    Follow("7")
    for number in numbers:
        change(sandbox, number)
    sandbox.dossiers[culprit]["dateDepot"] = "hier"
    run = Run()
    assert "Récupérés : 2 (changés : 2)" in run.out
    assert "en échec : 1 ;" in run.out
    [row] = Dossier.objects.failing()
    assert (row.number, row.state, row.tries) == (culprit, "en_construction", 1)
