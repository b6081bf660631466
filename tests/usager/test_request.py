"""Asking for a link: the same answer for all, and a mail for nobody but the dossier's usager."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import html5lib
import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from dsintegration.models import Dossier, UsagerAccess
from dsintegration.sandbox import Reply
from dsintegration.usager import limits
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
        assert response.cookies == reference.cookies
        assert response.content == reference.content
        assert len(later.left) == (0 if "attempts" in case else 1)
        # The request itself has reached nobody.
        assert sandbox.received == []
        assert mail.outbox == []
        follow, other = client.get(response.url), client.get(reference.url)
        assert (follow.status_code, follow.headers) == (200, other.headers)
        assert follow.content == other.content
        assert not follow.cookies

    def test_the_work_is_what_reaches_them(self, ask, platform, later, sandbox):
        ask(run=False)
        later.run()
        assert (len(sandbox.received), len(mail.outbox)) == (1, 1)

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

    @pytest.mark.parametrize(("ago", "calls"), [(4 * MINUTES, 0), (6 * MINUTES, 1)])
    def test_our_copy_serves_for_5_minutes(self, ask, platform, stored, sandbox, ago, calls):
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
        assert message.subject == f"Suivre votre dossier n° {NUMBER}"
        assert message.from_email == "Ville <ne-pas-repondre@example.org>"
        assert message.extra_headers["Auto-Submitted"] == "auto-generated"
        link = re.search(r"http://testserver/suivi/lien/\S+/", message.body)[0]
        assert html.count(link) == 3
        assert kind == "text/html"
        for text in (message.body, html.replace("&#x27;", "'").replace("&amp;", "&")):
            assert "30 minutes" in text
            assert "une seule fois" in text
            assert "Vous n'avez rien demandé ?" in text
            assert "Ville d'Exemple & Cie" in text
            assert USAGER not in text

    def test_its_html(self, ask, platform):
        ask()
        html5lib.HTMLParser(strict=True).parse(mail.outbox[0].alternatives[0][0])

    def test_the_link_leads_to_our_public_address(self, ask, platform, settings):
        settings.DS_PUBLIC_URL = "https://dossiers.example.org/"
        ask(HTTP_HOST="testserver")
        assert "https://dossiers.example.org/suivi/lien/" in mail.outbox[0].body

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
            send_link(dossier, "http://testserver")
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
            ("1234567 7654321", USAGER, "plusieurs numéros"),
            ("<b>", USAGER, "« &lt;b&gt; »"),
            (NUMBER, "", "Écrivez votre adresse électronique"),
            (NUMBER, "usager", "Cette adresse n&#x27;est pas complète"),
            (NUMBER, "usager@example.org\nBcc: all@example.org", "n&#x27;est pas complète"),
            (NUMBER, "usager@example.org\r\n\r\nBonjour", "n&#x27;est pas complète"),
            (NUMBER, "usager@example.org%0aBcc:all@example.org", "n&#x27;est pas complète"),
            (NUMBER, "a@example.org,b@example.org", "n&#x27;est pas complète"),
            (NUMBER, "Usager <usager@example.org>", "n&#x27;est pas complète"),
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
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
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

    def test_mails_of_an_address(self, ask, sandbox):
        numbers = range(NUMBER, NUMBER + limits.MAILS_OF_ADDRESS.count + 2)
        for number in numbers:
            DossierFactory(number=number, fetched_at=timezone.now())
            ask(number, "usager@EXAMPLE.org")
        assert len(mail.outbox) == limits.MAILS_OF_ADDRESS.count
        assert limits.MAILS_OF_DOSSIER.has_room(numbers[-1])

    def test_attempts_of_others_silence_nobody(self, ask, stored):
        stored()
        for rank in range(25):
            ask(email=f"other{rank}@example.org", REMOTE_ADDR=f"192.0.2.{rank}")
            ask(UNKNOWN, USAGER, REMOTE_ADDR=f"192.0.2.{rank}")
        assert mail.outbox == []
        ask()
        assert len(mail.outbox) == 1

    def test_unknown_numbers_of_a_network(self, ask, sandbox):
        for number in range(1, limits.UNKNOWN_NUMBERS_OF_NETWORK.count + 3):
            ask(number)
        assert len(sandbox.received) == limits.UNKNOWN_NUMBERS_OF_NETWORK.count
        ask(NUMBER, REMOTE_ADDR="192.0.2.9")
        assert len(sandbox.received) == limits.UNKNOWN_NUMBERS_OF_NETWORK.count + 1

    def test_unknown_numbers_of_all(self, ask, sandbox, stored):
        for number in range(1, limits.UNKNOWN_NUMBERS.count + 3):
            ask(number, REMOTE_ADDR=f"192.0.{number}.1")
        assert len(sandbox.received) == limits.UNKNOWN_NUMBERS.count
        # Known dossiers have nothing to do with that budget.
        stored(10 * MINUTES)
        ask()
        assert len(sandbox.received) == limits.UNKNOWN_NUMBERS.count + 1

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
