"""Perimeters: what lies outside an account's démarches does not exist for it, at any address."""

import io
import re
import time
import zipfile
from datetime import timedelta
from html import unescape
from itertools import product

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from dsintegration import journal
from dsintegration.admin import fetch
from dsintegration.models import (
    Action,
    ApiKey,
    Demarche,
    Dossier,
    FetchLot,
    JournalEntry,
    Outcome,
    Perimeter,
)
from dsintegration.services import fetch_dossier
from tests.conftest import caller
from tests.factories import (
    FAILURES,
    DemarcheFactory,
    DossierFactory,
    MessageFactory,
    dossier_answer,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/dsintegration/dossier/"
FETCH = f"{LIST}fetch/"
JOURNAL = "/admin/dsintegration/journalentry/"
PERIMETERS = "/admin/dsintegration/perimeter/"
KEYS = "/admin/dsintegration/apikey/"
# All that an account may be given in the admin, but for the sight of all démarches.
ALL_RIGHTS = [
    "view_dossier",
    "view_message",
    "view_demarche",
    "change_demarche",
    "fetch_dossier",
    "export_dossier",
    "settle_dossier",
    "view_journalentry",
    "view_perimeter",
    "add_perimeter",
    "change_perimeter",
    "delete_perimeter",
    "view_apikey",
    "add_apikey",
    "change_apikey",
]
# What nobody but the other service may see a trace of.
NUMBER, TITLE, ADDRESS, TEXT = 24518763, "Procédure du voisin", "camille.durand", "Le devis bleu"
SECRETS = [str(NUMBER), TITLE, ADDRESS, TEXT, "Service du voisin", "Clé du voisin", "87210"]


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


def enter(name, service="", demarches=(), rights=ALL_RIGHTS):
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    if service:
        group, _ = Group.objects.get_or_create(name=service)
        perimeter, _ = Perimeter.objects.get_or_create(group=group)
        perimeter.demarches.set(demarches)
        user.groups.add(group)
    client = Client()
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture
def theirs():
    """A dossier of the other service, and all that is known of it."""
    demarche = DemarcheFactory(number=87210, title=TITLE)
    now = timezone.now()
    dossier = DossierFactory(
        pk=987_654,
        number=NUMBER,
        demarche=demarche,
        usager_email=f"{ADDRESS}@example.org",
        usager_spoke_last=True,
        last_message_at=now,
        date_depot=now,
        date_traitement=now,
        date_derniere_modification=now,
        absent_since=now,
        last_error_code="upstream_unavailable",
        last_error_reason="query_timeout",
        last_error_at=now,
    )
    MessageFactory(dossier=dossier, email=dossier.usager_email, body=TEXT, created_at=now)
    perimeter = Perimeter.objects.create(group=Group.objects.create(name="Service du voisin"))
    perimeter.demarches.add(demarche)
    key, _ = ApiKey.objects.create_key(name="Clé du voisin", demarches=[demarche])
    lot = FetchLot.objects.create(account="0", outcomes={str(NUMBER): "created"}, ended_at=now)
    by = journal.Actor(journal.Interface.ADMIN, "voisin", "0")
    journal.write(
        by.entry(Action.VIEW, Outcome.SHOWN, NUMBER),
        by.listing(Action.LIST, [NUMBER], [87210]),
        by.listing(Action.EXPORT, [NUMBER], [87210], named=False),
    )
    LogEntry.objects.create(
        user=User.objects.create_user("voisin"),
        content_type=ContentType.objects.get_for_model(Dossier),
        object_id=str(dossier.pk),
        object_repr=f"Dossier n° {NUMBER}",
        action_flag=2,
        change_message="Récupération",
    )
    dossier.key, dossier.lot, dossier.perimeter = key, lot, perimeter
    return dossier


@pytest.fixture
def ours():
    return DossierFactory(number=11111111, demarche__number=901, demarche__title="La nôtre")


@pytest.fixture
def agent(theirs, ours):
    """Somebody of another service, who may do all that there is."""
    return enter("agent", "Culture", [ours.demarche])


def admin_routes() -> list[str]:
    """Every address below /admin/, as Django's own resolver knows them."""

    def walk(patterns, prefix):
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern):
                yield route

    routes = list(walk(get_resolver().url_patterns, "/"))
    return [route for route in routes if route.startswith("/admin/")]


def addresses(dossier) -> list[str]:
    """Each of them, with the keys of what is outside in every place."""
    pks = [
        dossier.pk,
        dossier.number,
        dossier.demarche_id,
        dossier.key.pk,
        dossier.perimeter.pk,
        *JournalEntry.objects.values_list("pk", flat=True),
    ]
    found = []
    for route in admin_routes():
        if "logout" in route or "(?P<url>" in route:
            continue
        route = re.sub(r"\^|\$|\\Z|\(\?P<app_label>[^)]*\)", "", route).replace("//", "/")
        places = re.findall(r"<[^>]+>", route)
        choices = [[dossier.lot.pk] if "uuid" in place else dict.fromkeys(pks) for place in places]
        for keys in product(*choices):
            url = route
            for place, key in zip(places, keys, strict=True):
                url = url.replace(place, str(key), 1)
            found.append(url)
    return found


QUERIES = [
    "",
    f"?q={NUMBER}",
    f"?q={ADDRESS}",
    f"?q={ADDRESS}@example.org",
    "?q=procedure+voisin",
    "?q=87210",
    "?q=voisin",
    "?demarche=87210",
    "?situation=a_repondre",
    "?situation=absent",
    "?situation=en_erreur",
    "?modifie=jour",
    "?depot=jour",
    "?o=5",
    "?p=1&all=",
]


def typed(query: str) -> set[str]:
    """What an answer may repeat, since it was asked."""
    return {secret for secret in SECRETS if secret.casefold() in query.casefold()}


def leaks(response, query="") -> list[str]:
    """Which secrets an answer tells; it may repeat what was asked."""
    body = response.content.decode("utf-8", "replace")
    for asked in (query.partition("=")[2], *re.findall(r"/(\d+)/", query)):
        body = body.replace(asked, "") if asked else body
    return [secret for secret in SECRETS if secret in body and secret not in typed(query)]


def unpacked(file: bytes) -> bytes:
    """What a spreadsheet holds: its own bytes are compressed, and tell nothing."""
    if not zipfile.is_zipfile(io.BytesIO(file)):
        return file
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


class TestEveryAddress:
    def test_there_are_some(self, theirs):
        routes = "\n".join(admin_routes())
        for known in ("autocomplete", "dossier/export/", "history/", "refresh/", "settle/"):
            assert known in routes
        assert len(addresses(theirs)) > 50

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_nothing_of_others_comes_out(self, agent, theirs, sandbox, method):
        sandbox.dossiers[NUMBER] = dossier_answer(
            NUMBER, demarche={"id": "Procedure-87210", "number": 87210, "title": TITLE}
        )
        agent.raise_request_exception = False
        before = list(Dossier.objects.filter(pk=theirs.pk).values())
        kept = ApiKey.objects.get(pk=theirs.key.pk)
        for url in addresses(theirs):
            response = getattr(agent, method)(url)
            assert response.status_code < 500, url
            assert leaks(response, url) == [], url
            while response.status_code in {301, 302} and response.url.startswith("/admin/"):
                response = agent.get(response.url)
                assert leaks(response, url) == [], (url, "then")
        assert list(Dossier.objects.filter(pk=theirs.pk).values()) == before
        assert not sandbox.received
        assert ApiKey.objects.get(pk=kept.pk).revoked == kept.revoked
        assert Perimeter.objects.filter(pk=theirs.perimeter.pk).exists()

    def test_nor_by_a_query(self, agent, theirs):
        agent.raise_request_exception = False
        lists = (
            "dossier/",
            "dossier/export/",
            "journalentry/",
            "apikey/",
            "perimeter/",
            "demarche/",
        )
        pages = ["/admin/", *(f"/admin/dsintegration/{name}" for name in lists)]
        for path, query in product(pages, QUERIES):
            response = agent.get(path + query)
            assert response.status_code in {200, 302, 400}, (path, query)
            assert leaks(response, query) == [], (path, query)
            assert "n° masqué" not in response.content.decode(), (path, query)

    def test_nor_in_a_file(self, agent, theirs):
        for query, format in product(QUERIES, ("0", "1", "2")):
            response = agent.post(f"{LIST}export/{query}", {"format": format})
            assert response.status_code == 200, query
            assert str(NUMBER).encode() not in unpacked(response.content), query
            entry = JournalEntry.objects.filter(action="export").order_by("-pk").first()
            assert entry.actor == "agent"
            assert str(NUMBER) not in entry.numbers, query

    def test_an_outsider_s_neighbours(self, agent, ours, theirs):
        page = agent.get(f"{LIST}{ours.pk}/change/?_changelist_filters=o%3D-1").content.decode()
        assert f"/{theirs.pk}/change/" not in page


class TestLikeWhatDoesNotExist:
    """The same answer, letter by letter, but for the key that was asked."""

    @pytest.mark.parametrize("path", ["change/", "history/", "refresh/", "settle/"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_page(self, agent, theirs, path, method):
        answers = []
        for pk in (theirs.pk, theirs.pk + 5):
            response = getattr(agent, method)(f"{LIST}{pk}/{path}", follow=True)
            text = response.content.decode().replace(str(pk), "?")
            answers.append((response.redirect_chain, re.sub(r'csrf\w+" value="\w+', "", text)))
        assert answers[0] == answers[1]

    @pytest.mark.parametrize(
        ("here", "there"),
        [("demarche", "demarche_id"), ("apikey", "key"), ("perimeter", "perimeter")],
    )
    def test_other_pages(self, agent, theirs, here, there):
        row = getattr(theirs, there)
        for path in ("change/", "history/", "delete/"):
            url = f"/admin/dsintegration/{here}/{getattr(row, 'pk', row)}/{path}"
            assert agent.get(url).status_code in {302, 403}

    def test_actions_with_forged_ids(self, agent, theirs, ours, sandbox):
        data = {
            "action": "refresh_selected",
            "_selected_action": [theirs.pk, ours.pk],
            "select_across": "1",
        }
        agent.post(LIST, data)
        asked = [list(request.body["variables"].values()) for request in sandbox.received]
        assert asked == [[ours.number]]

    @pytest.mark.parametrize("model", ["message", "demarche", "dossier", "usageraccess", "apikey"])
    def test_autocomplete_is_closed(self, agent, model):
        for field in ("dossier", "demarche", "demarches", "group"):
            for term in ("", "durand", "\0"):
                response = agent.get(
                    "/admin/autocomplete/",
                    {
                        "term": term,
                        "app_label": "dsintegration",
                        "model_name": model,
                        "field_name": field,
                    },
                )
                assert response.status_code in {403, 404}
        whole = enter("whole", rights=[*ALL_RIGHTS, "view_all_demarches"])
        query = {"app_label": "dsintegration", "model_name": "message", "field_name": "dossier"}
        assert whole.get("/admin/autocomplete/", query | {"term": "1"}).status_code == 404


class TestSight:
    def shown(self, client):
        return [row.number for row in client.get(LIST).context["cl"].result_list]

    def test_the_union_over_the_groups(self, ours, theirs):
        client = enter("both", "Culture", [ours.demarche])
        client.user.groups.add(theirs.perimeter.group)
        assert sorted(self.shown(client)) == [ours.number, NUMBER]

    def test_all_with_the_right_or_as_a_superuser(self, ours, theirs):
        client = enter("all", rights=["view_dossier", "view_all_demarches"])
        assert sorted(self.shown(client)) == [ours.number, NUMBER]
        User.objects.filter(username="all").update(is_superuser=True)
        client.user.user_permissions.clear()
        assert sorted(self.shown(client)) == [ours.number, NUMBER]

    def test_none_and_whom_to_ask(self, theirs):
        client = enter("lost")
        for page in ("/admin/", LIST):
            assert "demandez à un responsable" in client.get(page).content.decode()
        assert self.shown(client) == []

    def test_it_ends_with_the_membership(self, agent, ours):
        assert self.shown(agent) == [ours.number]
        agent.user.groups.clear()
        assert self.shown(agent) == []

    def test_recent_actions_forget_what_is_no_longer_seen(self, agent, ours, theirs):
        perimeter = Perimeter.objects.get(group__name="Culture")
        perimeter.demarches.add(theirs.demarche)
        rows = [(ours, ours), (theirs, theirs), (theirs.demarche, TITLE)]
        rows += [(theirs.key, "Clé du voisin"), (theirs.perimeter, "Service du voisin")]
        for row, words in rows:
            LogEntry.objects.create(
                user=agent.user,
                content_type=ContentType.objects.get_for_model(row),
                object_id=str(row.pk),
                object_repr=str(words),
                action_flag=2,
            )

        def told():
            page = agent.get("/admin/").content.decode()
            return page[page.index("recent-actions-module") :]

        assert all(str(words) in told() for _, words in rows)
        perimeter.demarches.remove(theirs.demarche)
        assert [str(words) for _, words in rows if str(words) in told()] == [str(ours)]

    def test_figures(self, agent, ours):
        page = " ".join(re.sub(r"<[^>]+>", " ", agent.get("/admin/").content.decode()).split())
        assert "1 dossier 0 à répondre 0 en erreur 0 absent" in page

    def test_statements(self, agent, django_assert_max_num_queries):
        for _ in range(30):
            DossierFactory()
        for page in (LIST, f"{LIST}?situation=a_repondre", "/admin/"):
            agent.get(page)
            with django_assert_max_num_queries(12):
                agent.get(page)


class TestFetching:
    @pytest.fixture
    def platform(self, sandbox):
        """The platform has a dossier of each of both démarches, and one that the token may not."""

        def of(number, demarche):
            named = {"id": f"Procedure-{demarche}", "number": demarche, "title": "Titre"}
            sandbox.dossiers[number] = dossier_answer(number, demarche=named)

        of(500, 901), of(501, 87210), of(NUMBER, 87210)
        return sandbox

    def test_what_is_outside_is_not_stored(self, agent, platform):
        response = agent.post(FETCH, {"numbers": "501"})
        assert not Dossier.objects.filter(number=501).exists()
        entry = JournalEntry.objects.get(dossier_number=501)
        assert (entry.outcome, entry.demarche_number, entry.actor) == ("not_wanted", 87210, "agent")
        assert "hors de votre périmètre" in response.content.decode()

    def test_one_sentence_for_all_that_is_not_for_the_agent(self, agent, platform, theirs):
        """Here and outside, there and outside, unknown, forbidden, slow, malformed."""
        said = set()
        for number in (NUMBER, 501, 404, 20002, 20003):
            response = agent.post(FETCH, {"numbers": f"{number}"})
            page = response.content.decode()
            said |= set(re.findall(rf"n° {number} : ([^<]+)<", page))
            assert f"/{theirs.pk}/change/" not in page
        assert len(said) == 1
        before = list(Dossier.objects.filter(number=NUMBER).values_list("fetched_at", flat=True))
        assert before == [theirs.fetched_at]

    @pytest.mark.parametrize("reply", FAILURES)
    @pytest.mark.parametrize("numbers", ["501", "404\n501\n500"])
    def test_a_foreign_one_that_fails_tells_nothing(self, agent, platform, reply, numbers):
        """However it fails, alone or among others: as a number that nobody has."""

        def told():
            Dossier.objects.filter(number=500).delete()
            page = unescape(agent.post(FETCH, {"numbers": numbers}, follow=True).content.decode())
            lot = FetchLot.objects.latest("created_at")
            sentences = re.findall(r"n° 501 : ([^<]+)<", page)
            return (
                sentences,
                len(re.findall(r"\b501\b", page)),
                lot.outcomes,
                lot.left,
                lot.is_under_way,
            )

        foreign = platform.dossiers.pop(501)
        as_unknown = told()
        platform.dossiers[501], platform.replies[501] = foreign, reply
        assert told() == as_unknown
        assert as_unknown[2]["501"] == "outside"

    @pytest.mark.parametrize("number", [404, 501])
    def test_what_outlasts_the_page_is_told_as_unknown(
        self, agent, platform, monkeypatch, later, number
    ):
        """A slow dossier exists: nothing may tell it from a number that nobody has."""
        if number == 501:
            monkeypatch.setattr(fetch, "WEB_BUDGET", 1)
            answer = platform.answer
            monkeypatch.setattr(platform, "answer", lambda asked: time.sleep(2) or answer(asked))
        response = agent.post(FETCH, {"numbers": f"{number}"})
        lot = FetchLot.objects.latest("created_at")
        assert (lot.outcomes, lot.left, lot.is_under_way) == ({f"{number}": "outside"}, [], False)
        assert response.context["form"]["numbers"].value() == ""
        assert LogEntry.objects.filter(object_repr=f"Dossier n° {number}").count() == 1

    def test_several_at_once(self, agent, platform):
        page = agent.post(FETCH, {"numbers": "500 \n 501 \n 404"}).content.decode()
        assert list(Dossier.objects.filter(number__in=[500, 501]).values_list("number")) == [(500,)]
        assert "En échec : 2" in page
        assert "501\n404" in page or "404\n501" in page

    def test_the_rest_after_the_page_obeys_too(self, agent, platform, later):
        lot = FetchLot.objects.create(
            account=str(agent.user.pk),
            left=[500, 501],
            touched_at=timezone.now() - timedelta(hours=1),
        )
        agent.post(f"{FETCH}{lot.pk}/")
        later.run()
        lot.refresh_from_db()
        assert lot.outcomes == {"500": "created", "501": "outside"}
        assert not Dossier.objects.filter(number=501).exists()


class TestJournal:
    def test_others_are_masked_in_a_list_that_has_ours_too(self, agent, ours):
        by = journal.Actor(journal.Interface.ADMIN, "tous", "9")
        journal.write(by.listing(Action.LIST, [NUMBER, ours.number], [87210, 901]))
        entry = JournalEntry.objects.get(actor="tous")
        for page in (JOURNAL, f"{JOURNAL}{entry.pk}/change/"):
            shown = agent.get(page).content.decode()
            assert str(NUMBER) not in shown
            assert "masqué" in shown
        assert f"n° {ours.number}" in agent.get(f"{JOURNAL}{entry.pk}/change/").content.decode()
        # Nor by trying the number.
        assert not agent.get(JOURNAL, {"q": str(NUMBER)}).context["cl"].result_count

    def test_entries_from_before_need_the_sight_of_all(self, agent, ours):
        JournalEntry(actor="before", action="view", dossier_number=ours.number).save()
        JournalEntry(actor="before", action="list", numbers=f",{ours.number},").save()
        assert "before" not in agent.get(JOURNAL).content.decode()
        whole = enter("whole", rights=[*ALL_RIGHTS, "view_all_demarches"])
        assert "before" in whole.get(JOURNAL).content.decode()

    def test_every_way_in_keeps_the_demarche(self, sandbox):
        fetch_dossier(12345)
        dossier = Dossier.objects.get()
        by = journal.CODE
        journal.write(by.entry(Action.VIEW, Outcome.SHOWN, 12345), by.fetched(404, "not_found"))
        numbers = JournalEntry.objects.order_by("pk").values_list("demarche_number", flat=True)
        assert list(numbers) == [901, 901, None]
        Dossier.objects.update(erased_at=timezone.now())
        call_command("purge_dossiers", verbosity=0)
        assert JournalEntry.objects.get(action="purge").demarche_number == dossier.demarche.number


class TestPerimeterPages:
    @pytest.fixture
    def whole(self, theirs, ours):
        return enter("whole", rights=[*ALL_RIGHTS, "view_all_demarches"])

    def test_a_new_service(self, whole, ours):
        response = whole.post(
            f"{PERIMETERS}add/", {"service": "Sports", "demarches": [ours.demarche_id]}
        )
        assert response.status_code == 302
        perimeter = Perimeter.objects.get(group__name="Sports")
        assert list(perimeter.demarches.all()) == [ours.demarche]
        assert not perimeter.group.permissions.exists()

    def test_changed_and_emptied(self, whole, theirs, ours):
        url = f"{PERIMETERS}{theirs.perimeter.pk}/change/"
        assert f'value="{theirs.demarche_id}"' in whole.get(url).content.decode()
        whole.post(url, {"demarches": [ours.demarche_id]})
        assert list(theirs.perimeter.demarches.all()) == [ours.demarche]
        whole.post(url, {})
        assert not theirs.perimeter.demarches.exists()

    def test_a_demarche_before_its_first_dossier(self, whole, sandbox):
        data = {"service": "Logement", "others": "902\n903"}
        whole.post(f"{PERIMETERS}add/", data)
        titles = Demarche.objects.filter(perimeters__group__name="Logement")
        assert set(titles.values_list("number", "title")) == {
            (902, "Autorisation d'occupation temporaire du domaine public"),
            (903, "Aide à la rénovation énergétique d'un logement"),
        }

    def test_one_that_the_platform_refuses(self, whole, sandbox):
        sandbox.unlistable.add(904)
        page = whole.post(f"{PERIMETERS}add/", {"service": "X", "others": "904"})
        assert "Démarche n° 904" in page.content.decode()
        assert not Perimeter.objects.filter(group__name="X").exists()

    def test_one_that_the_platform_does_not_know(self, whole, sandbox):
        page = whole.post(f"{PERIMETERS}add/", {"service": "X", "others": "999"})
        assert "La plateforme ne connaît pas la démarche n° 999." in page.content.decode()
        assert not Perimeter.objects.filter(group__name="X").exists()

    def test_nobody_gives_more_than_he_sees(self, agent, theirs, ours, sandbox):
        for data in (
            {"service": "Sports", "demarches": [theirs.demarche_id]},
            {"service": "Sports", "others": "902"},
            {"service": "Service du voisin"},
        ):
            agent.post(f"{PERIMETERS}add/", data)
        given = Demarche.objects.filter(perimeters__group__name="Sports")
        assert not given.exists()
        assert not sandbox.received
        own = Perimeter.objects.get(group__name="Culture")
        agent.post(
            f"{PERIMETERS}{own.pk}/change/", {"demarches": [ours.demarche_id, theirs.demarche_id]}
        )
        assert list(own.demarches.all()) == [ours.demarche]

    def test_no_group_with_rights_is_taken(self, agent, ours):
        Group.objects.create(name="Toutes les démarches")
        page = agent.post(f"{PERIMETERS}add/", {"service": "Toutes les démarches"})
        assert "déjà pris" in page.content.decode()


class TestKeys:
    def form(self, **fields):
        last_day = timezone.localdate() + timedelta(days=30)
        return {"name": "Portail", "last_day": last_day.isoformat()} | fields

    def test_no_more_than_the_maker_sees(self, agent, theirs, ours):
        agent.post(f"{KEYS}add/", self.form(all_demarches="on"))
        agent.post(f"{KEYS}add/", self.form(demarches=[theirs.demarche_id]))
        agent.post(f"{KEYS}add/", self.form(demarches=[ours.demarche_id]))
        made = [
            (key.all_demarches, list(key.demarches.values_list("number", flat=True)))
            for key in ApiKey.objects.filter(name="Portail").order_by("created_at")
        ]
        assert all(not everything for everything, _ in made)
        assert {number for _, numbers in made for number in numbers} == {901}

    def test_a_wider_key_does_not_exist(self, agent, theirs, ours):
        wide, _ = ApiKey.objects.create_key(
            name="Large", demarches=[theirs.demarche, ours.demarche]
        )
        whole, _ = ApiKey.objects.create_key(name="Entière", all_demarches=True)
        page = agent.get(KEYS).content.decode()
        for key in (wide, whole, theirs.key):
            assert key.name not in page
            agent.post(f"{KEYS}{key.pk}/change/", self.form(revoked="on"))
            key.refresh_from_db()
            assert not key.revoked

    def test_a_key_of_others_is_not_drawn_again(self, agent, theirs):
        digest = theirs.key.digest
        agent.post(f"{KEYS}add/", self.form(draw=str(theirs.key.pk)))
        theirs.key.refresh_from_db()
        assert (theirs.key.digest, theirs.key.name) == (digest, "Clé du voisin")

    def test_it_shrinks_with_whoever_gave_it(self, agent, theirs, ours):
        """Judged when it is used; whoever saves its rights later answers for them."""
        culture = Perimeter.objects.get(group__name="Culture")
        culture.demarches.add(theirs.demarche)
        page = agent.post(
            f"{KEYS}add/", self.form(demarches=[theirs.demarche_id, ours.demarche_id])
        )
        system = caller(page.context["key"])

        def seen():
            numbers = [row["number"] for row in system.get("/api/v1/dossiers/").json()["results"]]
            for number in (NUMBER, ours.number):
                status = system.get(f"/api/v1/dossiers/{number}/").status_code
                assert status == (200 if number in numbers else 404)
            return sorted(numbers)

        assert seen() == [ours.number, NUMBER]
        culture.demarches.remove(theirs.demarche)
        assert seen() == [ours.number]
        User.objects.filter(pk=agent.user.pk).update(is_active=False)
        assert seen() == []
        whole = enter("whole", rights=[*ALL_RIGHTS, "view_all_demarches"])
        key = ApiKey.objects.get(name="Portail")
        both = self.form(demarches=[theirs.demarche_id, ours.demarche_id])
        whole.post(f"{KEYS}{key.pk}/change/", both)
        assert seen() == [ours.number, NUMBER]
