"""The journal: each access leaves its entry, of all who act, and nobody changes one."""

import getpass
import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dsintegration import journal
from dsintegration.exceptions import DossierNotFound, DSError
from dsintegration.mirror import storing
from dsintegration.mirror.choices import choose
from dsintegration.models import ApiKey, AppendOnly, Dossier, Interface, JournalEntry, Outcome
from dsintegration.sandbox import Reply
from dsintegration.services import AnswerNotWanted, fetch_dossier, fetch_dossiers
from dsintegration.usager.links import make_link
from tests.conftest import caller
from tests.content import keep_all
from tests.factories import DemarcheFactory, DossierFactory, dossier_answer

pytestmark = pytest.mark.django_db

NUMBER = 28711001
LIST = "/admin/dsintegration/dossier/"
JOURNAL = "/admin/dsintegration/journalentry/"


def entries() -> list[tuple]:
    """All of them, oldest first, without their moments and authors."""
    return list(
        JournalEntry.objects.order_by("pk").values_list(
            "interface", "action", "outcome", "dossier_number", "numbers", "count"
        )
    )


def one(interface, action, outcome, number=NUMBER):
    return (interface, action, outcome, number, "", 1)


@pytest.fixture
def platform(sandbox):
    """Sets what the platform says of NUMBER."""

    def says(reply=None, **fields):
        sandbox.dossiers[NUMBER] = dossier_answer(NUMBER, **fields)
        if reply:
            sandbox.replies[NUMBER] = reply

    says()
    return says


@pytest.fixture
def agent(client):
    """Somebody who may do all that is asked of the admin; the account is an address."""
    names = ["view_dossier", "fetch_dossier", "export_dossier", "view_journalentry"]
    names.append("view_all_demarches")
    user = User.objects.create_user("camille.martin@example.org", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture
def broken(monkeypatch):
    """No entry can be written."""

    def fail(*entries):
        raise OperationalError("disk is full")

    monkeypatch.setattr(journal, "write", fail)


class TestAppendOnly:
    @pytest.fixture(autouse=True)
    def entry(self):
        journal.write(journal.CODE.fetched(NUMBER, "created"))
        return JournalEntry.objects.get()

    def test_python_refuses(self, entry):
        entry.outcome = "shown"
        attempts = [
            entry.save,
            entry.delete,
            lambda: JournalEntry.objects.update(outcome="shown"),
            lambda: JournalEntry.objects.bulk_update([entry], ["outcome"]),
            JournalEntry.objects.all().delete,
        ]
        for attempt in attempts:
            with pytest.raises(AppendOnly):
                attempt()
        assert JournalEntry.objects.get().outcome == "created"

    def test_a_new_row_with_the_key_of_another_does_not_replace_it(self, entry):
        with pytest.raises(DatabaseError), transaction.atomic():
            JournalEntry(pk=entry.pk, outcome="shown").save()
        assert JournalEntry.objects.get().outcome == "created"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE dsintegration_journalentry SET outcome = 'shown'",
            "UPDATE dsintegration_journalentry SET at = at",
            "INSERT INTO dsintegration_journalentry SELECT * FROM dsintegration_journalentry "
            "WHERE true ON CONFLICT (id) DO UPDATE SET outcome = 'shown'",
        ],
    )
    def test_the_database_refuses(self, statement):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
        assert JournalEntry.objects.get().outcome == "created"

    def test_the_oldest_are_forgotten_first(self):
        now = timezone.now()
        for days in (3, 1, 2):
            JournalEntry(at=now - timedelta(days=days), count=days).save()
        old = JournalEntry.objects.filter(interface="")
        assert old.forget_before(now - timedelta(hours=36), at_most=1) == 1
        assert set(old.values_list("count", flat=True)) == {1, 2}
        assert old.forget_before(now - timedelta(hours=36), at_most=10) == 1
        assert old.forget_before(now - timedelta(hours=36), at_most=10) == 0
        assert JournalEntry.objects.count() == 2


class TestWhoActs:
    @pytest.mark.parametrize(
        ("account", "written"),
        [
            ("x" * 150, "x" * 150),
            ("x" * 300, "x" * 149 + "…"),
            ("b\udcfcro", "b\ufffdro"),  # LOGNAME=b\xfcro: not UTF-8
            ("a\x00\u202eb", "a\ufffd\ufffdb"),
            ("\udcfc" * 300, "\ufffd" * 149 + "…"),
        ],
    )
    def test_a_command_under_any_account(self, sandbox, monkeypatch, account, written):
        monkeypatch.setattr(getpass, "getuser", lambda: account)
        call_command("fetch_dossier", "12345")
        call_command("purge_dossiers")
        assert JournalEntry.objects.get(action="fetch").actor == written

    @pytest.mark.parametrize("account", ["x" * 300, "é" * 300, "a\u202eb\ud800"])
    def test_an_account_of_a_host(self, platform, account):
        for number in (1, 2):
            by = journal.Actor(Interface.CODE, account, f"{number} {account}")
            fetch_dossier(NUMBER, by=by)
        refs = set(JournalEntry.objects.values_list("actor_ref", flat=True))
        assert len(refs) == 2

    @pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "@example.org"])
    def test_a_login_name_of_any_length(self, client, name):
        client.get("/admin/login/")
        answer = client.post("/admin/login/", {"username": name, "password": "wrong"})
        assert answer.status_code == 200


class TestFetch:
    def test_each_outcome(self, platform):
        fetch_dossier(NUMBER)
        fetch_dossier(NUMBER)
        platform(state="accepte")
        fetch_dossier(NUMBER)
        words = ("created", "unchanged", "changed")
        assert entries() == [one("code", "fetch", word) for word in words]

    def test_an_older_answer(self, platform):
        fetch_dossier(NUMBER)
        Dossier.objects.update(date_derniere_modification=timezone.now() + timedelta(days=1))
        fetch_dossier(NUMBER)
        assert entries()[1:] == [one("code", "fetch", "unchanged")]

    @pytest.mark.parametrize(
        ("number", "outcome"),
        [
            (404, "not_found"),
            (20002, "upstream_access_denied no_right"),
            (40301, "upstream_access_denied token_refused"),
            (50301, "upstream_unavailable maintenance"),
            (20004, "upstream_invalid_response not_the_api"),
        ],
    )
    def test_each_failure(self, sandbox, number, outcome):
        with pytest.raises(DSError):
            fetch_dossier(number)
        assert entries() == [one("code", "fetch", outcome, number)]

    def test_what_is_not_wanted(self, platform):
        with pytest.raises(AnswerNotWanted):
            fetch_dossier(NUMBER, wanted=lambda _: False)
        assert entries() == [one("code", "fetch", "not_wanted")]

    def test_a_batch(self, sandbox):
        numbers = [*range(12345, 12351), 404, 20002]
        list(fetch_dossiers(numbers, by=journal.TASK))
        assert {(row[1], row[3]): row[2] for row in entries()} == {
            **{("refresh", number): "created" for number in range(12345, 12351)},
            ("refresh", 20002): "upstream_access_denied no_right",
        }
        JournalEntry.objects.forget_before(timezone.now(), at_most=100)
        with CaptureQueriesContext(connection) as statements:
            list(fetch_dossiers(numbers, by=journal.user(User(username="x", pk=7))))
        # One for what was stored, one for what failed.
        assert sum("journalentry" in query["sql"] for query in statements) == 2
        assert {row[3]: row[2] for row in entries()} == {
            **dict.fromkeys(range(12345, 12351), "unchanged"),
            404: "not_found",
            20002: "upstream_access_denied no_right",
        }

    def test_what_is_not_stored_has_no_entry_and_the_reverse(self, platform, monkeypatch):
        def fail(*_):
            raise OperationalError("disk is full")

        monkeypatch.setattr(storing, "write_messages", fail)
        with pytest.raises(OperationalError):
            fetch_dossier(NUMBER)
        assert entries() == []
        monkeypatch.undo()
        monkeypatch.setattr(journal, "write", fail)
        with pytest.raises(OperationalError):
            fetch_dossier(NUMBER)
        assert not Dossier.objects.exists()


class TestRefresh:
    def refresh(self):
        call_command("refresh_dossiers", "--older-than", "0s")

    def test_only_what_is_new(self, sandbox):
        fetch_dossier(12345)
        fetch_dossier(12346)
        sandbox.dossiers[12346] = sandbox.dossiers[12346] | {"state": "accepte"}
        self.refresh()
        self.refresh()
        run = ("command", "refresh", "done", None, "", 2)
        assert entries()[2:] == [one("command", "refresh", "changed", 12346), run, run]
        assert set(JournalEntry.objects.filter(action="refresh").values_list("actor")) == {
            (getpass.getuser(),)
        }

    def test_an_absence_is_news_once(self, sandbox):
        fetch_dossier(12345)
        del sandbox.dossiers[12345]
        self.refresh()
        self.refresh()
        run = ("command", "refresh", "done", None, "", 0)
        assert entries()[1:] == [one("command", "refresh", "not_found", 12345), run, run]

    def test_an_absence_that_a_list_tells(self, sandbox, settings, monkeypatch):
        monkeypatch.setattr("dsintegration.refresh.WORTH_A_LIST", 0)
        sandbox.dossiers[NUMBER] = dossier_answer(NUMBER)
        fetch_dossier(NUMBER)
        sandbox.deleted[NUMBER] = sandbox.dossiers.pop(NUMBER)
        sandbox.deleted[NUMBER] |= {"dateSupression": timezone.now().isoformat()}
        self.refresh()
        assert one("command", "refresh", "not_found") in entries()

    def test_a_failure_of_its_own_and_one_of_all(self, platform, sandbox):
        fetch_dossier(NUMBER)
        platform(Reply(body=failure("timeout")))
        with pytest.raises(CommandError):
            self.refresh()
        run = ("command", "refresh", "done", None, "", 0)
        own = one("command", "refresh", "upstream_unavailable query_timeout")
        assert entries()[1:] == [own, run]
        platform(Reply(403, failure("forbidden")))
        Dossier.objects.update(next_try_at=None)  # else it steps back
        with pytest.raises(CommandError):
            self.refresh()
        stopped = "upstream_access_denied token_refused"
        assert entries()[3:] == [("command", "refresh", stopped, None, "", 0)]


def failure(code):
    error = {"message": "…", "path": ["dossier"], "extensions": {"code": code}}
    return {"errors": [error], "data": None}


class TestCommand:
    def test_fetch(self, platform, monkeypatch, capsys):
        call_command("fetch_dossier", str(NUMBER))
        assert entries() == [one("command", "fetch", "created")]
        assert JournalEntry.objects.get().actor == getpass.getuser()

    def test_an_account_without_a_name(self, monkeypatch):
        def nameless():
            raise KeyError("getpwuid(): uid not found")

        monkeypatch.setattr(getpass, "getuser", nameless)
        assert journal.command().name.isdecimal()


class TestAdmin:
    def test_detail_and_list(self, agent):
        first, second = DossierFactory(), DossierFactory()
        agent.get(f"{LIST}{first.pk}/change/")
        agent.get(LIST, {"q": str(second.number)})
        assert entries() == [
            one("admin", "view", "shown", first.number),
            ("admin", "list", "shown", None, f",{second.number},", 1),
        ]
        # The name without what follows the @, and the key.
        assert set(JournalEntry.objects.values_list("actor", "actor_ref")) == {
            ("camille.martin", str(agent.user.pk))
        }

    def test_what_shows_no_dossier(self, agent):
        DossierFactory()
        agent.get(LIST, {"q": "404"})
        agent.get(f"{LIST}404/change/")
        agent.get(LIST, {"unknown": "filter"})
        agent.get("/admin/")
        assert entries() == []

    def test_fetch_and_refresh(self, agent, platform, sandbox):
        agent.post(f"{LIST}fetch/", {"numbers": f"{NUMBER}, 404"})
        dossier = Dossier.objects.get()
        agent.post(f"{LIST}{dossier.pk}/refresh/")
        data = {"action": "refresh_selected", "_selected_action": [dossier.pk]}
        agent.post(LIST, data)
        assert entries() == [
            one("admin", "fetch", "created"),
            one("admin", "fetch", "not_found", 404),
            one("admin", "fetch", "unchanged"),
            one("admin", "fetch", "unchanged"),
        ]

    def test_export(self, agent, monkeypatch):
        numbers = sorted(dossier.number for dossier in DossierFactory.create_batch(3))
        agent.post(f"{LIST}export/", {"format": "2", "resource": "0"})
        monkeypatch.setattr("dsintegration.admin.exporting.MAX_NAMED", 2)
        agent.post(f"{LIST}export/", {"format": "2", "resource": "0"})
        (few, many) = entries()
        assert (few[1], few[5], many[1], many[4], many[5]) == ("export", 3, "export", "", 3)
        first = JournalEntry.objects.order_by("pk")[0]
        assert sorted(first.listed) == numbers

    @pytest.mark.parametrize("page", [LIST, "detail", "export"])
    def test_no_silent_access(self, agent, broken, page):
        dossier = DossierFactory()
        agent.raise_request_exception = False
        if page == "export":
            response = agent.post(f"{LIST}export/", {"format": "2", "resource": "0"})
        else:
            response = agent.get(page.replace("detail", f"{LIST}{dossier.pk}/change/"))
        assert response.status_code == 503
        assert str(dossier.number).encode() not in response.content


class TestApi:
    @pytest.fixture
    def portal(self):
        row, key = ApiKey.objects.create_key(
            name="Portail contact@example.org",
            all_demarches=True,
            can_fetch=True,
            can_read_personal_data=True,
        )
        client = caller(key)
        client.row, client.raise_request_exception = row, False
        return client

    def test_list(self, portal):
        DossierFactory(number=1, version=1)
        DossierFactory(number=2, version=2)
        portal.get("/api/v1/dossiers/")
        portal.get("/api/v1/dossiers/", {"after_version": 2})  # shows nothing
        portal.get("/api/v1/purged/")
        assert entries() == [("api", "list", "shown", None, ",2,1,", 2)]
        assert set(JournalEntry.objects.values_list("actor", "actor_ref")) == {
            ("Portail contact", str(portal.row.pk))
        }

    def test_detail(self, portal):
        DossierFactory(number=NUMBER)
        address = f"/api/v1/dossiers/{NUMBER}/"
        etag = portal.get(address)["ETag"]
        portal.get(address, headers={"If-None-Match": etag})
        portal.get("/api/v1/dossiers/404/")
        portal.get(f"/api/v1/dossiers/{2**31}/")
        assert entries() == [
            one("api", "view", "shown"),
            one("api", "view", "unchanged"),
            one("api", "view", "not_found", 404),
            one("api", "view", "not_found", None),
        ]

    def test_outside_its_demarches(self, api):
        DossierFactory(number=NUMBER)
        api(demarches=[DemarcheFactory()]).get(f"/api/v1/dossiers/{NUMBER}/")
        assert entries() == [one("api", "view", "not_found")]

    def test_fetch(self, portal, platform, sandbox, api):
        portal.post(f"/api/v1/dossiers/{NUMBER}/fetch/")
        portal.post("/api/v1/dossiers/404/fetch/")
        limited = api(demarches=[DemarcheFactory()], can_fetch=True)
        limited.post(f"/api/v1/dossiers/{NUMBER}/fetch/")
        assert entries() == [
            one("api", "fetch", "created"),
            one("api", "fetch", "not_found", 404),
            one("api", "fetch", "not_wanted"),
        ]

    def test_who_may_not_come_in_leaves_nothing(self, client, api):
        DossierFactory(number=NUMBER)
        client.get(f"/api/v1/dossiers/{NUMBER}/")
        api().post(f"/api/v1/dossiers/{NUMBER}/fetch/")
        assert entries() == []

    @pytest.mark.parametrize("address", ["/api/v1/dossiers/", f"/api/v1/dossiers/{NUMBER}/"])
    def test_no_silent_access(self, portal, broken, address):
        DossierFactory(number=NUMBER)
        response = portal.get(address)
        assert (response.status_code, response.json()["code"]) == (503, "database_down")
        assert str(NUMBER) not in response.content.decode()


class TestUsager:
    USAGER = "usager@example.org"

    @pytest.fixture
    def ask(self, client, later):
        def send(number=NUMBER, email=self.USAGER):
            client.post("/suivi/", {"number": number, "email": email})
            later.run()
            return JournalEntry.objects.order_by("pk").last()

        return send

    def test_link(self, ask, platform, sandbox):
        assert ask().outcome == "sent"
        assert ask(email="other@example.org").outcome == "no_match"
        assert ask(number=404).outcome == "no_match"
        assert entries() == [
            one("usager", "fetch", "created"),
            one("usager", "link", "sent"),
            one("usager", "link", "no_match"),
            one("usager", "fetch", "not_found", 404),
            one("usager", "link", "no_match", 404),
        ]

    def test_no_link_for_other_reasons(self, ask, platform, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        assert ask().outcome == "mail_failed"
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        assert [ask().outcome for _ in range(6)] == ["sent"] * 5 + ["limited"]

    def test_somebody_else_s_unknown_dossier(self, ask, platform):
        ask(email="other@example.org")
        assert entries() == [
            one("usager", "fetch", "not_wanted"),
            one("usager", "link", "no_match"),
        ]

    def test_page_and_refresh(self, client, platform):
        _, token = make_link(DossierFactory(number=NUMBER))
        client.get(f"/suivi/{NUMBER}/")  # closed yet
        assert entries() == []
        client.post("/suivi/lien/", {"token": token})
        client.get(f"/suivi/{NUMBER}/")
        client.post(f"/suivi/{NUMBER}/actualiser/")
        assert entries() == [
            one("usager", "link", "opened"),
            one("usager", "view", "shown"),
            one("usager", "fetch", "changed"),
        ]
        assert set(JournalEntry.objects.values_list("actor", "actor_ref")) == {("", "")}

    def test_no_silent_access(self, client, broken):
        _, token = make_link(DossierFactory(number=NUMBER))
        client.raise_request_exception = False
        assert client.post("/suivi/lien/", {"token": token}).status_code == 503
        assert client.get(f"/suivi/{NUMBER}/").status_code == 403


def test_nothing_personal(agent, sandbox, client, later, api, capsys):
    """Every way in once, over the whole sandbox; then each of its addresses and texts."""
    numbers = sorted(sandbox.dossiers)
    agent.post(f"{LIST}fetch/", {"numbers": ",".join(map(str, numbers))})
    agent.get(LIST, {"q": "bureau@lescordesvocales.example.org"})
    agent.post(f"{LIST}export/", {"format": "2", "resource": "0"})
    portal = api(can_read_personal_data=True)
    for number in numbers:
        portal.get(f"/api/v1/dossiers/{number}/")
        email = sandbox.dossiers[number]["usager"]["email"]
        client.post("/suivi/", {"number": number, "email": email})
        later.run()
    call_command("fetch_dossier", *map(str, numbers))
    assert mail.outbox
    assert JournalEntry.objects.count() > 4 * len(numbers)
    written = json.dumps(list(JournalEntry.objects.values()), default=str, ensure_ascii=False)
    assert "@" not in written
    for dossier in sandbox.dossiers.values():
        private = [dossier["usager"]["email"], dossier["demarche"]["title"]]
        private += [part for m in dossier["messages"] for part in (m["email"], m["body"])]
        assert [text for text in private if text and text in written] == []


class TestJournalPages:
    @pytest.fixture
    def filled(self):
        by = journal.Actor(journal.Interface.API, "Portail", "1")
        journal.write(
            journal.USAGER.entry(journal.Action.VIEW, Outcome.SHOWN, 12345),
            by.listing(journal.Action.LIST, [2345, 12345, 7]),
            by.listing(journal.Action.EXPORT, [2345, 112345, 123456]),
            by.fetched(7, "upstream_unavailable maintenance"),
        )

    def rows(self, response):
        return sorted(entry.action for entry in response.context["cl"].result_list)

    def test_a_dossier_is_found_in_lists_too(self, agent, filled):
        assert self.rows(agent.get(JOURNAL, {"q": "n° 12 345"})) == ["list", "view"]
        assert self.rows(agent.get(JOURNAL, {"q": "2345"})) == ["export", "list"]
        assert self.rows(agent.get(JOURNAL, {"q": "portail"})) == ["export", "fetch", "list"]
        assert self.rows(agent.get(JOURNAL, {"q": "Port"})) == []

    def test_filters(self, agent, filled):
        JournalEntry(at=timezone.now() - timedelta(days=8), action="purge").save()
        assert self.rows(agent.get(JOURNAL, {"interface__exact": "usager"})) == ["view"]
        assert self.rows(agent.get(JOURNAL, {"action__exact": "export"})) == ["export"]
        assert "purge" not in self.rows(agent.get(JOURNAL, {"periode": "semaine"}))
        assert "purge" in self.rows(agent.get(JOURNAL, {"periode": "mois"}))
        assert agent.get(JOURNAL, {"actor__startswith": "P"}).status_code == 400

    def test_in_french(self, agent, filled):
        page = agent.get(JOURNAL).content.decode()
        for words in ("page de l&#x27;usager", "API REST", "récupération", "n° 7", "montré"):
            assert words in page
        assert "échec : la plateforme est en maintenance" in page
        entry = JournalEntry.objects.get(action="list")
        page = agent.get(f"{JOURNAL}{entry.pk}/change/").content.decode()
        for number in (2345, 12345, 7):
            assert f'{LIST}?q={number}">n° {number}</a>' in page

    def test_a_choice_tells_its_demarche(self, agent, sandbox):
        demarche = keep_all(901)
        demarche.champs.filter(type="Siret").update(is_searchable=True, hidden_from_api=True)
        choose(demarche, by=journal.CODE)
        page = agent.get(JOURNAL, {"action__exact": "choose"}).content.decode()
        assert page.count("démarche n° 901") == 2
        assert "0 dossier" not in page
        first, second = JournalEntry.objects.filter(action="choose").order_by("pk")
        page = agent.get(f"{JOURNAL}{first.pk}/change/").content.decode()
        assert "champs conservés : 29, au lieu de 0" in page
        assert "demandeur conservé : oui" in page
        assert "n° 901" in page
        page = agent.get(f"{JOURNAL}{second.pk}/change/").content.decode()
        assert "champs qui servent à chercher : 1, au lieu de 0" in page
        assert "champs cachés à l&#x27;API : 1, au lieu de 0" in page

    def test_a_choice_in_no_perimeter_is_not_there(self, client, sandbox):
        keep_all(901)
        user = User.objects.create_user("agent", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_journalentry"))
        client.force_login(user)
        assert self.rows(client.get(JOURNAL)) == []

    def test_an_outcome_of_another_version(self):
        assert JournalEntry(outcome="odd reason").outcome_label == "odd reason"

    def test_nobody_writes_there(self, client, filled):
        client.force_login(User.objects.create_superuser("boss"))
        before = list(JournalEntry.objects.values())
        entry = JournalEntry.objects.first()
        change = f"{JOURNAL}{entry.pk}/change/"
        assert client.get(change).status_code == client.get(JOURNAL).status_code == 200
        for page in (f"{JOURNAL}add/", f"{JOURNAL}{entry.pk}/delete/", change):
            assert client.post(page, {"outcome": "shown", "post": "yes"}).status_code == 403
        data = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
        client.post(JOURNAL, data)
        assert list(JournalEntry.objects.values()) == before

    def test_agents_do_not_see_it(self, client):
        user = User.objects.create_user("agent", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_dossier"))
        client.force_login(user)
        assert client.get(JOURNAL).status_code == 403

    def test_looking_at_it_leaves_no_entry(self, agent, filled):
        before = len(entries())
        agent.get(JOURNAL)
        agent.get(JOURNAL, {"q": "12345"})
        assert len(entries()) == before

    def test_statements_do_not_grow(self, agent, filled, django_assert_max_num_queries):
        journal.write(*(journal.CODE.fetched(number, "created") for number in range(1, 100)))
        agent.get(JOURNAL)
        for query in ({}, {"q": "12345"}, {"action__exact": "fetch"}):
            with django_assert_max_num_queries(8):
                assert agent.get(JOURNAL, query).status_code == 200

    def test_no_page_counts_the_whole_table(self, agent, filled, monkeypatch):
        monkeypatch.setattr("dsintegration.admin.mirror.CappedPaginator.CAP", 2)
        page = agent.get(JOURNAL).content.decode()
        assert "Plus de 2 entrées : filtrez ou cherchez" in page


def test_absent_dossiers_that_people_ask_for(platform, sandbox):
    """Each try of somebody is an access, whatever was known before."""
    for _ in range(2):
        with pytest.raises(DossierNotFound):
            fetch_dossier(404)
    assert entries() == [one("code", "fetch", "not_found", 404)] * 2
