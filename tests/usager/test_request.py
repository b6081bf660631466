"""Asking for a link: the same answer for all, and a mail for nobody but the dossier's usager."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape

import html5lib
import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from dsintegration.models import Demarche, Dossier, JournalEntry, UsagerAccess
from dsintegration.platform import rate_limit
from dsintegration.sandbox import Reply
from dsintegration.services import fetch_dossier
from dsintegration.usager import limits
from dsintegration.usager.calls import CannotAsk, call
from dsintegration.usager.mails import MailNotSent, send_link
from tests.factories import DossierFactory, dossier_answer
from tests.pages import check_html

pytestmark = pytest.mark.django_db

NUMBER = 28711001
USAGER = "usager@example.org"
UNKNOWN = 404


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def platform(sandbox):
    """Sets what the platform says of NUMBER."""

    def says(reply=None, **fields):
        body = {"data": {"dossier": dossier_answer(NUMBER, **fields)}}
        sandbox.replies[NUMBER] = reply or Reply(body=body)

    says()
    return says


@pytest.fixture
def stored():
    """A row of NUMBER, fetched some time ago."""

    def store(ago=timedelta(0), **fields):
        then = timezone.now() - ago
        return DossierFactory(number=NUMBER, fetched_at=then, checked_at=then, **fields)

    return store


@pytest.fixture
def ask(client, later):
    """Fills in the form; the work that it leaves is done unless told otherwise."""

    def send(number=NUMBER, email=USAGER, *, run=True, **extra):
        response = client.post("/suivi/", {"number": number, "email": email}, **extra)
        if run:
            later.run()
        return response

    return send


MINUTES, HOURS = timedelta(minutes=1), timedelta(hours=1)
DOWN = Reply(503, {"error": "maintenance"})
NOT_FOUND = Reply(
    body={
        "errors": [{"message": "…", "path": ["dossier"], "extensions": {"code": "not_found"}}],
        "data": None,
    }
)


@pytest.fixture
def refusing_server(settings) -> Iterator[list[str]]:
    """A mail server that takes no recipient; those that it refused."""
    with mail_server(settings, b"550 unknown") as refused:
        yield refused


@contextmanager
def mail_server(settings, reply: bytes) -> Iterator[list[str]]:
    """A mail server that says `reply` to each recipient; who they were."""
    refused: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mail.example.org\r\n")
            for line in self.rfile:
                if line.upper().startswith(b"RCPT"):
                    refused.append(re.search(rb"<(.+)>", line)[1].decode())
                    self.wfile.write(reply + b"\r\n")
                else:
                    self.wfile.write(b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield refused
        server.shutdown()


def bare(response) -> list[tuple]:
    """The cookies of an answer without their values."""
    return [(name, sorted(morsel.items())) for name, morsel in response.cookies.items()]


def without_typed(response) -> str:
    page = response.content.decode()
    assert page.count("<dd>") == 2
    return re.sub(r"<dd>.*?</dd>", "", page)


class TestTheSameForAll:
    CASES = {
        "theirs, known": {},
        "theirs, not known yet": {"row": None},
        "another's": {"email": "other@example.org"},
        "another's, not known yet": {"row": None, "email": "other@example.org"},
        "no such dossier": {"number": UNKNOWN},
        "not ours": {"number": 20002},
        "platform down": {"reply": DOWN},
        "deleted account": {"number": 12358, "email": "ancien.compte@example.org"},
        "beyond the limit": {"attempts": limits.ATTEMPTS.count},
    }

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_byte_for_byte(
        self, client, ask, platform, stored, later, sandbox, django_assert_num_queries, case
    ):
        reference = ask(12347, "nobody@example.org", run=False)
        later.left.clear()
        if case.get("row", True):
            stored(10 * MINUTES)
        platform(case.get("reply"))
        for _ in range(case.get("attempts", 1) - 1):
            ask(run=False)
        later.left.clear()
        sandbox.received.clear()

        with django_assert_num_queries(0):
            response = ask(case.get("number", NUMBER), case.get("email", USAGER), run=False)

        assert response.status_code == 302
        assert response.headers == reference.headers
        # The cookie repeats what was typed, and nothing else.
        assert bare(response) == bare(reference)
        retyped = ask(case.get("number", NUMBER), case.get("email", USAGER), run=False)
        later.left.pop() if "attempts" not in case else None
        assert response.cookies == retyped.cookies
        assert response.content == reference.content
        assert len(later.left) == (0 if "attempts" in case else 1)
        # The request itself has reached nobody.
        assert sandbox.received == []
        assert mail.outbox == []
        follow = client.get(response.url)
        client.cookies["suivi_demande"] = reference.cookies["suivi_demande"].value
        other = client.get(reference.url)
        assert follow.status_code == other.status_code == 200
        for page in (follow, other):
            del page.headers["Content-Length"]  # it follows what was typed
        assert follow.headers == other.headers
        assert without_typed(follow) == without_typed(other)
        assert not follow.cookies

    def test_the_work_is_what_reaches_them(self, ask, platform, later, sandbox):
        ask(run=False)
        later.run()
        assert (len(sandbox.received), len(mail.outbox)) == (1, 1)

    def test_the_page_after_repeats_what_was_typed(self, client, ask):
        ask("n° 28 711 001", " Usager@Example.org", run=False)
        page = client.get("/suivi/envoye/").content.decode()
        check_html(page)
        assert "<dd>n° 28 711 001</dd>" in page
        assert "<dd>Usager@Example.org</dd>" in page
        # The way back loses nothing, and no address says it.
        form = client.get("/suivi/").content.decode()
        assert 'value="n° 28 711 001"' in form
        assert 'value="Usager@Example.org"' in form
        cookie = client.cookies["suivi_demande"]
        assert (cookie["path"], cookie["max-age"], cookie["samesite"]) == ("/suivi/", 1800, "Lax")
        assert cookie["httponly"]
        assert cookie["secure"]

    def test_a_cookie_that_we_did_not_write_fills_in_nothing(self, client):
        client.cookies["suivi_demande"] = "WyIxMjM0NSIsImFAYi5mciJd:x"
        assert "12345" not in client.get("/suivi/envoye/").content.decode()

    def test_quitting_forgets_it(self, client, ask):
        ask(run=False)
        client.post("/suivi/quitter/")
        assert USAGER not in client.get("/suivi/").content.decode()

    @pytest.mark.parametrize("email", [USAGER, "other@example.org"])
    def test_the_page_after_says_that_the_platform_is_down(self, client, ask, platform, email):
        platform(DOWN)
        ask(email="first@example.org")
        ask(email=email, run=False)
        page = client.get("/suivi/envoye/").content.decode()
        check_html(page)
        assert "Nous n'arrivons pas à joindre" in page
        assert "un lien vient de lui être envoyé" not in page

    def test_the_page_after_says_that_no_link_can_leave(self, client, ask, settings):
        settings.DS_PUBLIC_URL = ""
        ask()
        page = client.get("/suivi/envoye/").content.decode()
        check_html(page)
        assert "Aucun lien ne peut être envoyé" in page
        assert "un lien vient de lui être envoyé" not in page
        assert mail.outbox == []

    def test_the_page_after_says_if(self, client):
        page = client.get("/suivi/envoye/").content.decode()
        assert "est bien celle du dossier, un lien vient de lui être envoyé" in page
        assert "10 minutes" in page
        check_html(page)


class TestWhoGetsAMail:
    @pytest.mark.parametrize("email", [USAGER, "USAGER@Example.org", f"  {USAGER}\n"])
    @pytest.mark.parametrize("number", [str(NUMBER), "n° 28 711 001", "28\u202f711\u00a0001"])
    def test_the_usager(self, ask, platform, number, email):
        ask(number, email)
        assert [message.to for message in mail.outbox] == [[USAGER]]

    def test_the_address_may_be_written_otherwise_there(self, ask, platform):
        platform(usager={"id": "VXNlci01", "email": " Usager@EXAMPLE.org"})
        ask()
        assert [message.to for message in mail.outbox] == [["Usager@EXAMPLE.org"]]

    def test_nobody_for_another_s_dossier(self, ask, platform, stored):
        stored()
        ask(email="other@example.org")
        assert mail.outbox == []

    @pytest.mark.parametrize("number", [UNKNOWN, 20002, 20003, 20004, 40101, 50001])
    def test_nobody_without_an_answer(self, ask, sandbox, number):
        ask(number)
        assert mail.outbox == []
        assert not Dossier.objects.exists()

    @pytest.mark.parametrize("known", [True, False])
    def test_nobody_for_a_deleted_account(self, ask, sandbox, known):
        email = "ancien.compte@example.org"
        if known:
            DossierFactory(
                number=12358,
                usager_email=email,
                usager_account_deleted=True,
                fetched_at=timezone.now(),
            )
        ask(12358, email)
        assert mail.outbox == []
        assert Dossier.objects.exists() == known

    def test_an_unknown_number_is_stored_only_if_it_is_theirs(self, ask, platform):
        ask(email="other@example.org")
        assert not Dossier.objects.exists()
        ask()
        assert Dossier.objects.get().number == NUMBER

    @pytest.mark.parametrize(
        ("ago", "calls"), [(timedelta(seconds=50), 0), (timedelta(seconds=70), 1)]
    )
    def test_our_copy_serves_for_a_minute(self, ask, platform, stored, sandbox, ago, calls):
        stored(ago)
        ask()
        assert len(sandbox.received) == calls
        assert len(mail.outbox) == 1

    def test_only_a_full_answer_vouches_for_the_address(self, ask, platform, stored, sandbox):
        """A change of hands does not touch the dates: "nothing moved" says nothing of it."""
        stored(6 * MINUTES)
        Dossier.objects.update(checked_at=timezone.now())
        ask()
        assert len(sandbox.received) == 1

    def test_after_a_change_of_hands(self, ask, platform, stored):
        stored(10 * MINUTES)
        platform(usager={"id": "VXNlci02", "email": "new@example.org"})
        ask()
        assert mail.outbox == []
        ask(email="new@example.org")
        assert [message.to for message in mail.outbox] == [["new@example.org"]]

    @pytest.mark.parametrize(("ago", "mails"), [(23 * HOURS, 1), (25 * HOURS, 0)])
    @pytest.mark.parametrize("reply", [DOWN, Reply(401, {"errors": [], "data": None})])
    def test_when_the_platform_cannot_be_asked(self, ask, platform, stored, ago, mails, reply):
        stored(ago)
        platform(reply)
        ask()
        assert len(mail.outbox) == mails

    def test_a_former_owner_gains_nothing_by_asking_twice_at_once(
        self, ask, platform, stored, later
    ):
        """While somebody's call is under way, what we knew before is nobody's key."""
        stored(10 * MINUTES)
        assert limits.CALLS_OF_DOSSIER.take(NUMBER)  # the other one's
        ask()
        assert mail.outbox == []
        assert len(later.again) == 1
        platform(usager={"id": "VXNlci02", "email": "new@example.org"})
        fetch_dossier(NUMBER)
        later.left, later.again = later.again, []
        later.run()
        assert mail.outbox == []

    def test_what_somebody_else_s_call_brought_serves(self, ask, platform, stored, later):
        stored(10 * MINUTES)
        limits.CALLS_OF_DOSSIER.take(NUMBER)
        ask()
        fetch_dossier(NUMBER)
        later.left, later.again = later.again, []
        later.run()
        assert len(mail.outbox) == 1

    @pytest.mark.parametrize(("ago", "mails"), [(23 * HOURS, 1), (25 * HOURS, 0)])
    def test_without_a_token(self, ask, sandbox, stored, settings, ago, mails):
        settings.DS_API_TOKEN = ""
        stored(ago)
        ask()
        assert len(mail.outbox) == mails

    def test_the_last_usager_of_a_dossier_that_is_gone(self, ask, platform, stored):
        stored(30 * HOURS)
        platform(NOT_FOUND)
        ask()
        assert len(mail.outbox) == 1
        assert Dossier.objects.get().absent_since is not None


class TestMail:
    def test_what_it_says(self, ask, platform, settings):
        settings.DS_ORGANISATION_NAME = "Ville d'Exemple & Cie"
        settings.DEFAULT_FROM_EMAIL = "Ville <ne-pas-repondre@example.org>"
        ask()
        (message,) = mail.outbox
        html, kind = message.alternatives[0]
        assert message.subject == f"Suivre votre dossier n°\xa0{NUMBER}"
        assert message.from_email == "Ville <ne-pas-repondre@example.org>"
        assert message.extra_headers["Auto-Submitted"] == "auto-generated"
        link = re.search(r"https://dossiers.example.org/suivi/lien/\S+/", message.body)[0]
        assert html.count(link) == 3
        assert kind == "text/html"
        assert f"n°\xa0{NUMBER}" in message.body
        assert f"n°&nbsp;{NUMBER}" in html
        for text in (message.body.replace("\xa0", " "), unescape(html).replace("\xa0", " ")):
            assert "30 minutes" in text
            assert "5 fois au plus" in text
            assert "(heure de Paris)" in text
            assert "Demande d'aide" in text
            assert "Guichet unique, Ville d'Exemple" in text
            assert f"/dossiers/{NUMBER}/messagerie" in text
            assert "Vous n'avez rien demandé ?" in text
            assert "Ville d'Exemple & Cie" in text
            assert USAGER not in text

    def test_its_html(self, ask, platform):
        ask()
        html5lib.HTMLParser(strict=True).parse(mail.outbox[0].alternatives[0][0])

    def test_a_demarche_without_a_service(self, ask, platform):
        platform(
            demarche={"id": "Procedure-7", "number": 7, "title": "Demande d'aide", "service": None}
        )
        ask()
        assert "messagerie, sur demarche.example.org\xa0:" in mail.outbox[0].body

    def test_a_service_that_changes_makes_no_new_version(self, platform):
        before = fetch_dossier(NUMBER).dossier
        service = {"nom": "Service des aides", "organisme": "Ville d'Exemple"}
        platform(demarche={"id": "Procedure-7", "number": 7, "title": "…", "service": service})
        Demarche.objects.update(title="…")
        assert not fetch_dossier(NUMBER).changed
        row = Demarche.objects.get()
        assert (row.service_nom, row.service_organisme) == tuple(service.values())
        assert Dossier.objects.get().version == before.version

    def test_a_refusal_of_the_server(self, ask, platform, refusing_server, logs):
        for _ in range(limits.MAILS_OF_DOSSIER.count + 1):
            ask()
        assert refusing_server == [USAGER] * (limits.MAILS_OF_DOSSIER.count + 1)
        assert f"no mail for dossier {NUMBER}: SMTPRecipientsRefused" in logs.text
        assert USAGER not in logs.text
        assert not UsagerAccess.objects.exists()
        # What did not leave does not count.
        assert limits.MAILS_OF_DOSSIER.has_room(NUMBER)
        assert limits.MAILS_OF_ADDRESS.has_room(USAGER)

    def test_what_is_refused_for_good_is_not_tried_again(
        self, ask, platform, refusing_server, later
    ):
        ask()
        assert later.again == []

    @pytest.mark.parametrize("reply", [b"450 greylisted", b"421 too busy"])
    def test_what_is_refused_for_now_is_tried_again(self, ask, platform, settings, later, reply):
        with mail_server(settings, reply) as refused:
            ask()
        assert refused == [USAGER]
        self.check_second_try(settings, later)

    def test_no_server(self, ask, platform, settings, logs, later):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
        ask()
        assert f"no mail for dossier {NUMBER}: ConnectionRefusedError" in logs.text
        assert not UsagerAccess.objects.exists()
        self.check_second_try(settings, later)

    def check_second_try(self, settings, later):
        """The mail leaves then, and its link is the only one."""
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        [again] = later.again
        again()
        assert [message.to for message in mail.outbox] == [[USAGER]]
        assert UsagerAccess.objects.count() == 1

    def test_an_address_with_a_line_break_in_it(self, logs):
        hostile = "usager@example.org\nBcc: all@example.org"
        dossier = DossierFactory(number=NUMBER, usager_email=hostile)
        with pytest.raises(MailNotSent) as raised:
            send_link(dossier, "https://dossiers.example.org/suivi/lien/")
        assert not raised.value.is_temporary
        assert mail.outbox == []
        assert f"no mail for dossier {NUMBER}: BadHeaderError" in logs.text
        assert "Bcc" not in logs.text

    def test_what_waits_names_nobody(self, ask, platform, later):
        ask(run=False, REMOTE_ADDR="192.0.2.7")
        [work] = later.left
        assert NUMBER in work.args
        assert "192.0.2.7" not in repr(work)
        assert USAGER not in repr(work)

    def test_no_address_in_the_logs(self, ask, platform, logs):
        ask()
        ask(email="Other@example.org")
        assert len(mail.outbox) == 1
        assert "@example.org" not in logs.text.lower()


class TestForm:
    def test_page(self, client):
        response = client.get("/suivi/")
        assert response.status_code == 200
        check_html(response.content.decode())

    @pytest.mark.parametrize(
        ("number", "email", "said"),
        [
            ("", USAGER, "Écrivez le numéro du dossier"),
            ("abc", USAGER, "« abc » n&#x27;est pas un numéro"),
            ("0", USAGER, "il va de 1 à"),
            ("9" * 400, USAGER, "au plus 300 caractères"),
            ("9" * 60, USAGER, "il va de 1 à"),
            ("1234567 7654321", USAGER, "plusieurs numéros"),
            ("<b>", USAGER, "« &lt;b&gt; »"),
            (NUMBER, "", "Écrivez votre adresse électronique"),
            (NUMBER, "usager", "Il manque le signe @"),
            (NUMBER, "usager@example", "Cette adresse n&#x27;est pas complète"),
            (NUMBER, "usager@example.org\nBcc: all@example.org", "plusieurs adresses"),
            (NUMBER, "usager@example.org\r\n\r\nBonjour", "plusieurs adresses"),
            (NUMBER, "usager@example.org%0aBcc:all@example.org", "plusieurs adresses"),
            (NUMBER, "a@example.org,b@example.org", "plusieurs adresses"),
            (NUMBER, "<b>@example.org", "« &gt; » n&#x27;est pas à sa place"),
        ],
    )
    def test_what_cannot_be_used(self, ask, later, sandbox, number, email, said):
        response = ask(number, email, run=False)
        page = response.content.decode()
        assert response.status_code == 200
        assert said in page
        assert "<title>Erreur : " in page
        assert page.count(" autofocus") == 1
        check_html(page)
        assert later.left == []


class TestLimits:
    def test_attempts_of_a_network(self, ask, later, platform):
        for _ in range(limits.ATTEMPTS.count):
            ask(run=False)
        assert len(later.left) == limits.ATTEMPTS.count
        ask(run=False)
        assert len(later.left) == limits.ATTEMPTS.count
        ask(run=False, REMOTE_ADDR="192.0.2.9")
        assert len(later.left) == limits.ATTEMPTS.count + 1

    @pytest.mark.parametrize(("proxies", "seen"), [(0, 1), (1, 3), (2, 2)])
    def test_a_network_is_known_as_far_as_our_proxies_vouch(
        self, ask, later, settings, monkeypatch, proxies, seen
    ):
        settings.DS_NUM_PROXIES = proxies
        monkeypatch.setattr(limits, "ATTEMPTS", limits.Limit("attempts", 1, 60))
        for invented, client_address, proxy in [
            ("1.1.1.1", "192.0.2.1", "10.0.0.1"),
            ("2.2.2.2", "192.0.2.2", "10.0.0.2"),
            ("3.3.3.3", "192.0.2.2", "10.0.0.3"),
        ]:
            forwarded = f"{invented}, {client_address}, {proxy}"
            ask(run=False, HTTP_X_FORWARDED_FOR=forwarded, REMOTE_ADDR="10.0.0.9")
        assert len(later.left) == seen

    @pytest.mark.parametrize(
        ("one", "other", "are_one"),
        [
            ("192.0.2.1", "192.0.2.2", False),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", True),
            ("2001:db8:1:2::1", "2001:db8:1:102::1", False),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("unix:", "unix:", True),
        ],
    )
    def test_what_counts_as_one_network(self, one, other, are_one):
        assert (limits.network_of(one) == limits.network_of(other)) == are_one

    def test_what_is_refused_is_not_counted(self):
        limit = limits.Limit("any", 2, 60)
        assert [limit.take("a") for _ in range(5)] == [True, True, False, False, False]
        assert (limit.has_room("a"), limit.has_room("b")) == (False, True)
        limit.give_back("a")
        assert limit.take("a")

    def test_nothing_is_given_back_that_was_not_taken(self):
        limit = limits.Limit("any", 1, 60)
        limit.give_back()
        assert [limit.take(), limit.take()] == [True, False]

    def test_a_time_that_ends_while_one_is_given_back_is_no_fault(self, monkeypatch):
        limit = limits.Limit("any", 1, 60)
        limit.take()
        whole = limits.cache.get

        def get_and_end(*args):
            found = whole(*args)
            limits.cache.clear()
            return found

        monkeypatch.setattr(limits.cache, "get", get_and_end)
        limit.give_back()
        monkeypatch.undo()
        assert [limit.take(), limit.take()] == [True, False]

    def test_mails_of_a_dossier(self, ask, platform):
        for _ in range(limits.MAILS_OF_DOSSIER.count + 2):
            ask()
        assert len(mail.outbox) == limits.MAILS_OF_DOSSIER.count

    def test_mails_of_an_address_in_a_day(self, ask, sandbox):
        numbers = range(NUMBER, NUMBER + limits.MAILS_OF_ADDRESS.count + 2)
        for number in numbers:
            DossierFactory(number=number, fetched_at=timezone.now())
            ask(number, "usager@EXAMPLE.org")
        assert len(mail.outbox) == limits.MAILS_OF_ADDRESS.count
        assert limits.MAILS_OF_DOSSIER.has_room(numbers[-1])
        assert limits.MAILS_OF_ADDRESS.seconds == 24 * 3600

    def test_nobody_is_silenced_by_the_mails_that_others_ask_for(self, ask, platform, stored):
        stored()
        for _ in range(limits.MAILS_OF_DOSSIER.count + 2):
            ask(REMOTE_ADDR="192.0.2.66")
        assert len(mail.outbox) == limits.MAILS_OF_DOSSIER.count
        ask(REMOTE_ADDR="192.0.2.1")
        assert len(mail.outbox) == limits.MAILS_OF_DOSSIER.count + 1
        # Once: many networks are dear, and one alone gets no further.
        ask(REMOTE_ADDR="192.0.2.1")
        assert len(mail.outbox) == limits.MAILS_OF_DOSSIER.count + 1

    def test_a_request_that_is_dropped_leaves_a_trace(self, ask, later, logs, monkeypatch):
        monkeypatch.setattr(limits, "ATTEMPTS", limits.Limit("attempts", 1, 60))
        for _ in range(2):
            ask(run=False)
        assert f"no link for dossier {NUMBER}, this network asks too often" in logs.text

    def test_a_platform_that_is_down_is_not_asked_again_at_once(
        self, ask, platform, stored, sandbox
    ):
        platform(DOWN)
        stored(HOURS)
        ask()
        calls = len(sandbox.received)
        assert calls
        ask(REMOTE_ADDR="192.0.2.9")
        ask(UNKNOWN, REMOTE_ADDR="192.0.2.9")
        assert len(sandbox.received) == calls
        assert len(mail.outbox) == 2
        last = JournalEntry.objects.order_by("pk").last()
        assert (last.outcome, last.dossier_number) == ("unreachable", UNKNOWN)

    @pytest.mark.parametrize("known", [True, False])
    def test_a_full_minute_delays_and_loses_nothing(
        self, ask, platform, stored, sandbox, settings, later, known
    ):
        settings.DS_RATE_LIMIT = 1
        rate_limit.count_request()
        if known:
            stored(HOURS)
        ask()
        assert sandbox.received == []
        assert mail.outbox == []
        settings.DS_RATE_LIMIT = 300
        later.left, later.again = later.again, []
        later.run()
        assert [message.to for message in mail.outbox] == [[USAGER]]

    def test_the_same_with_refreshes_of_the_page(self, ask, platform, sandbox, settings):
        settings.DS_RATE_LIMIT = 1
        rate_limit.count_request()
        with pytest.raises(CannotAsk):
            call(NUMBER)
        assert sandbox.received == []

    def test_attempts_of_others_silence_nobody(self, ask, stored):
        stored()
        for rank in range(25):
            ask(email=f"other{rank}@example.org", REMOTE_ADDR=f"192.0.2.{rank}")
            ask(UNKNOWN, USAGER, REMOTE_ADDR=f"192.0.2.{rank}")
        assert mail.outbox == []
        ask()
        assert len(mail.outbox) == 1

    def test_a_town_hall_may_bring_30_an_hour(self, settings):
        del settings.DS_USAGER_FIRST_TIMERS
        limit = limits.unknown_numbers_of_network()
        assert (limit.count, limit.seconds) == (30, 3600)

    def test_unknown_numbers_of_a_network(self, ask, sandbox, settings, logs):
        settings.DS_USAGER_FIRST_TIMERS = 5
        for number in range(1, 8):
            ask(number)
        assert len(sandbox.received) == 5
        # It is told, and not as if the address had been wrong.
        assert (
            JournalEntry.objects.filter(outcome="limited", dossier_number__in=[6, 7]).count() == 2
        )
        assert "usager: no link for dossier 7, too many requests" in logs.text
        ask(NUMBER, REMOTE_ADDR="192.0.2.9")
        assert len(sandbox.received) == 6

    def test_unknown_numbers_of_all(self, ask, sandbox, stored, monkeypatch):
        monkeypatch.setattr(limits, "UNKNOWN_NUMBERS", limits.Limit("unknown_numbers", 6, 60))
        for number in range(1, 9):
            ask(number, REMOTE_ADDR=f"192.0.{number}.1")
        assert len(sandbox.received) == 6
        # Known dossiers have nothing to do with that budget.
        stored(10 * MINUTES)
        ask()
        assert len(sandbox.received) == 7

    def test_a_known_dossier_is_asked_for_once_a_minute(self, ask, platform, stored, sandbox):
        stored(HOURS)
        platform(Reply(400, "no"))
        for _ in range(3):
            ask()
        assert len(sandbox.received) == 1
        assert len(mail.outbox) == 3

    def test_nothing_in_the_cache_names_an_address(self, ask, platform):
        ask()
        kept = cache._cache.keys()
        assert len(kept) >= 4
        assert not any("@" in name or "127.0.0.1" in name for name in kept)

    def test_a_cache_that_keeps_nothing_stops_nobody(self, ask, platform, settings):
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        ask()
        assert len(mail.outbox) == 1
