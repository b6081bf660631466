"""What is kept no longer goes, whole, and leaves its number; nothing else goes."""

import io
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dsintegration import journal, purging
from dsintegration.durations import in_words
from dsintegration.mirror import erasing
from dsintegration.models import (
    Demarche,
    Dossier,
    JournalEntry,
    Message,
    OngoingFetch,
    Platform,
    PurgedDossier,
    UsagerAccess,
)
from dsintegration.services import fetch_dossier
from dsintegration.signals import dossier_purged, purge_ended
from dsintegration.usager.links import DossierIsGone, make_link
from tests.factories import DemarcheFactory, DossierFactory, MessageFactory, dossier_answer
from tests.settings import EMPTY

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = Path(__file__).resolve().parent.parent
NUMBER = 28711001
DELAYS = {
    "DS_PURGE_ABSENT_AFTER": "90d",
    "DS_PURGE_EXPIRED_AFTER": "30d",
    "DS_PURGE_DELETED_BY_USAGER_AFTER": "60d",
}


def ago(days: float):
    return timezone.now() - timedelta(days=days)


@pytest.fixture
def delays(settings):
    for name, value in DELAYS.items():
        setattr(settings, name, value)
    return settings


def purge(*words: str) -> list[str]:
    out = io.StringIO()
    call_command("purge_dossiers", *words, stdout=out)
    return out.getvalue().splitlines()


def kept() -> list[int]:
    return list(Dossier.objects.order_by("number").values_list("number", flat=True))


def confirmed(**fields) -> Dossier:
    """A dossier of which the platform said just now what `fields` say."""
    return DossierFactory(**{"fetched_at": ago(0), "checked_at": ago(0)} | fields)


def gone(number=NUMBER, **fields) -> Dossier:
    """A dossier that the platform has erased for good."""
    dossier = DossierFactory(number=number, absent_since=ago(1), erased_at=ago(1), **fields)
    MessageFactory(dossier=dossier)
    return dossier


class TestWhatGoes:
    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"erased_at": 0, "absent_since": 0}, "erased"),
            ({"absent_since": 91}, "absent"),
            ({"absent_since": 89}, None),
            ({"date_expiration": 31}, "expired"),
            ({"date_expiration": 29}, None),
            ({"date_expiration": -400}, None),
            ({"date_suppression_par_usager": 61}, "deleted_by_usager"),
            ({"date_suppression_par_usager": 59}, None),
            ({"absent_since": 91, "date_expiration": 31}, "absent"),
            ({"last_error_at": 900, "fetched_at": 900, "checked_at": 900}, None),
        ],
    )
    def test_by_its_dates(self, delays, fields, reason):
        confirmed(number=NUMBER, **{name: ago(days) for name, days in fields.items()})
        purge()
        outcomes = JournalEntry.objects.values_list("action", "outcome", "dossier_number")
        assert list(outcomes) == ([("purge", reason, NUMBER)] if reason else [])
        assert kept() == ([] if reason else [NUMBER])

    @pytest.mark.parametrize("unset", DELAYS)
    def test_a_delay_that_is_not_set_keeps_for_ever(self, delays, unset):
        setattr(delays, unset, "")
        confirmed(number=1, absent_since=ago(9000))
        confirmed(number=2, date_expiration=ago(9000))
        confirmed(number=3, date_suppression_par_usager=ago(9000))
        purge()
        assert kept() == [list(DELAYS).index(unset) + 1]

    def test_with_all_that_belongs_to_it_and_nothing_else(self, delays):
        dossier, other = gone(), DossierFactory()
        MessageFactory(dossier=other)
        make_link(dossier)
        make_link(other)
        purge()
        assert kept() == [other.number]
        assert Message.objects.get().dossier == other
        assert UsagerAccess.objects.get().dossier == other
        assert Demarche.objects.count() == 2

    def test_batches(self, delays, monkeypatch):
        monkeypatch.setattr(purging, "BATCH", 2)
        for number in range(1, 6):
            gone(number)
        purge()
        assert kept() == []
        assert sorted(PurgedDossier.objects.values_list("version", flat=True)) == [1, 2, 3, 4, 5]
        assert Platform.objects.get().version == 5

    def test_the_very_first_dossier(self, delays, sandbox):
        gone(1, pk=1)
        DossierFactory(number=2, pk=2, date_expiration=ago(40), fetched_at=ago(20))
        purge()
        assert kept() == []

    def test_as_many_statements_for_forty_as_for_three(self, delays):
        statements = []
        for count in (3, 3, 40):  # the first also opens the connection
            for number in range(1, count + 1):
                gone(number)
            with CaptureQueriesContext(connection) as captured:
                purge()
            statements.append(len(captured))
        assert kept() == []
        assert statements[1] == statements[2]

    def test_it_came_back_meanwhile(self, delays, sandbox, monkeypatch):
        """Between the look and the lock; `erase` looks again."""
        gone()
        gone(NUMBER + 1)
        sandbox.dossiers[NUMBER] = dossier_answer(NUMBER)
        erase = purging.erase

        def late(due, pks, by):
            fetch_dossier(NUMBER)
            return erase(due, pks, by)

        monkeypatch.setattr(purging, "erase", late)
        lines = purge()
        assert kept() == [NUMBER]
        assert Dossier.objects.get().erased_at is None
        assert "  effacé de la plateforme : 1" in lines
        assert PurgedDossier.objects.get().number == NUMBER + 1

    def test_a_link_is_made_meanwhile(self, delays, monkeypatch):
        """After the purge has read what belongs to the dossier, and before it is gone."""
        dossier, made = gone(), []
        gone(NUMBER + 1)

        def make():
            try:
                make_link(Dossier(pk=dossier.pk, number=NUMBER, usager_email="u@example.org"))
                made.append("a link")
            except DossierIsGone:
                made.append("none")
            finally:
                connection.close()

        thread = threading.Thread(target=make)

        def meanwhile(instance, **_):
            if instance.number == NUMBER:
                thread.start()
                thread.join(0.5)  # it waits for us; if it does not, it is through

        pre_delete.connect(meanwhile, Dossier)
        try:
            purge()
        finally:
            pre_delete.disconnect(meanwhile, Dossier)
        thread.join()
        assert (made, kept()) == (["none"], [])
        assert not UsagerAccess.objects.exists()

    @pytest.mark.parametrize("error", [ProtectedError("…", set()), IntegrityError("…")])
    def test_one_that_something_of_the_host_holds_keeps_the_others_from_nothing(
        self, delays, error, logs
    ):
        for number in range(1, 8):
            gone(number)

        def hold(instance, **_):
            if instance.number == 3:
                raise error

        pre_delete.connect(hold, Dossier)
        try:
            lines = purge()
        finally:
            pre_delete.disconnect(hold, Dossier)
        assert kept() == [3]
        assert Message.objects.filter(dossier__number=3).exists()
        assert "  effacé de la plateforme : 6" in lines
        assert sorted(PurgedDossier.objects.values_list("version", flat=True)) == [*range(1, 7)]
        assert "a dossier is held" in logs.text
        purge()
        assert kept() == []

    def test_the_platform_is_not_asked(self, delays, sandbox):
        sandbox.dossiers[NUMBER] = dossier_answer(NUMBER)
        gone()
        delays.DS_API_TOKEN = ""
        purge()
        assert kept() == []
        assert not sandbox.received

    def test_other_rows_that_served_their_time(self, delays):
        old, new = (make_link(DossierFactory())[0] for _ in range(2))
        UsagerAccess.objects.filter(pk=old.pk).update(sent_at=ago(1))
        for days in (2, 0.5):
            OngoingFetch.objects.create(ended_at=ago(days))
        OngoingFetch.objects.create(number=1, started_at=ago(2))
        purge()
        assert UsagerAccess.objects.get() == new
        assert OngoingFetch.objects.filter(ended_at__lt=ago(1)).count() == 0
        assert OngoingFetch.objects.count() == 2


class TestJournal:
    def test_who_and_what(self, delays):
        gone()
        purge()
        entry = JournalEntry.objects.get()
        assert (entry.interface, entry.action, entry.outcome) == ("command", "purge", "erased")
        assert entry.actor == journal.command().name

    @pytest.mark.parametrize(("value", "left"), [("", [364]), ("10d", []), ("367d", [364, 366])])
    def test_old_entries_are_forgotten(self, delays, value, left, monkeypatch):
        monkeypatch.setattr(purging, "ENTRIES", 2)
        delays.DS_JOURNAL_KEPT = value
        moments = [366] * 5 + [364] if value != "367d" else [366, 364]
        for days in moments:
            JournalEntry(at=ago(days), outcome=str(days)).save()
        purge()
        rows = JournalEntry.objects.exclude(action="purge")
        assert sorted(int(row.outcome) for row in rows) == left
        forgotten = len(moments) - len(left)
        told = JournalEntry.objects.filter(outcome="forgotten").values_list("count", flat=True)
        assert sum(told) == forgotten
        assert all(0 < count <= 2 for count in told)

    def test_a_purge_that_dies_has_told_what_it_forgot(self, delays, monkeypatch):
        monkeypatch.setattr(purging, "ENTRIES", 2)
        for _ in range(3):
            JournalEntry(at=ago(366)).save()
        deleted = []

        def once(execute, sql, *rest):
            if sql.startswith("DELETE") and "journalentry" in sql:
                deleted.append(sql)
                if len(deleted) == 2:
                    raise OperationalError
            return execute(sql, *rest)

        with connection.execute_wrapper(once), pytest.raises(CommandError):
            purge()
        [told] = JournalEntry.objects.filter(outcome="forgotten")
        assert told.count == 2
        assert JournalEntry.objects.filter(at__lt=ago(365)).count() == 1


class TestTombstones:
    def test_it_returns_and_goes_again(self, delays, sandbox, api):
        client = api()

        def read(what, after):
            rows = client.get(f"/api/v1/{what}/", {"after_version": after}).json()["results"]
            return [(row["number"], row["version"]) for row in rows]

        sandbox.dossiers[NUMBER] = dossier_answer(NUMBER)
        fetch_dossier(NUMBER)
        assert read("dossiers", 0) == [(NUMBER, 1)]
        Dossier.objects.update(erased_at=ago(1))
        purge()
        assert (read("dossiers", 0), read("purged", 0)) == ([], [(NUMBER, 2)])
        fetch_dossier(NUMBER)
        assert (read("dossiers", 2), read("purged", 2)) == ([(NUMBER, 3)], [])
        Dossier.objects.update(erased_at=ago(1))
        purge()
        assert (read("dossiers", 0), read("purged", 2)) == ([], [(NUMBER, 4)])
        assert read("purged", 4) == []

    def test_a_key_hears_of_its_demarches_only(self, delays, api):
        demarche = DemarcheFactory(number=7)
        gone(demarche=demarche)
        purge()
        mine, other = api(demarches=[demarche]), api(demarches=[DemarcheFactory()])
        assert [len(c.get("/api/v1/purged/").json()["results"]) for c in (mine, other)] == [1, 0]

    def test_a_host_learns_that_it_ended(self, delays):
        gone()
        seen = []

        def clean_up(**_):
            seen.append(kept())

        purge_ended.connect(clean_up)
        try:
            purge()
        finally:
            purge_ended.disconnect(clean_up)
        assert seen == [[]]

    def test_signal_after_the_commit(self, delays, monkeypatch):
        told = []

        def receive(sender, number, demarche_number, **_):
            assert not Dossier.objects.filter(number=number).exists()
            told.append((sender, number, demarche_number))

        def fail(*_):
            raise OperationalError("disk is full")

        gone(demarche=DemarcheFactory(number=7))
        dossier_purged.connect(receive)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(journal, "write", fail)
                with pytest.raises(CommandError):
                    purge()
            assert told == []
            # All or nothing.
            assert (kept(), Message.objects.count()) == ([NUMBER], 1)
            assert not PurgedDossier.objects.exists()
            purge()
            purge()
        finally:
            dossier_purged.disconnect(receive)
        assert told == [(Dossier, NUMBER, 7)]


class TestCommand:
    def test_says_what_it_did(self, delays, logs, monkeypatch):
        monkeypatch.setattr(purging, "ENTRIES", 1)
        for _ in range(2):
            JournalEntry(at=ago(900)).save()
        delays.DS_PURGE_EXPIRED_AFTER = ""
        gone(1)
        confirmed(number=2, absent_since=ago(100))
        confirmed(number=3, absent_since=ago(100))
        assert purge() == [
            "Dossiers effacés : 3",
            "  effacé de la plateforme : 1",
            "  absent de la plateforme depuis plus de 90 jours : 2",
            "  expiré : gardé sans limite (DS_PURGE_EXPIRED_AFTER est vide)",
            "  supprimé par l'usager depuis plus de 60 jours : 0",
            "Journal, entrées de plus de 365 jours : 2. Accès d'usagers fermés : 0.",
        ]
        assert "purge_dossiers 1 erased" in logs.text
        assert "@" not in logs.text
        assert purge()[0] == "Dossiers effacés : 0"

    def test_dry_run(self, delays):
        gone(1)
        DossierFactory(number=2, date_expiration=ago(100))
        JournalEntry(at=ago(900)).save()
        before = [list(model.objects.values()) for model in (Dossier, Message, JournalEntry)]
        assert purge("--dry-run") == [
            "1 : effacé de la plateforme",
            "2 : expiré, à confirmer auprès de la plateforme",
            "Dossiers à effacer : 2",
            "  effacé de la plateforme : 1",
            "  absent de la plateforme depuis plus de 90 jours : 0",
            "  expiré depuis plus de 30 jours : 1",
            "  supprimé par l'usager depuis plus de 60 jours : 0",
            "Rien n'a été effacé.",
        ]
        after = [list(model.objects.values()) for model in (Dossier, Message, JournalEntry)]
        assert after == before
        assert not PurgedDossier.objects.exists()

    @pytest.mark.parametrize("name", ["DS_PURGE_ABSENT_AFTER", "DS_JOURNAL_KEPT"])
    def test_wrong_settings(self, delays, name):
        gone()
        setattr(delays, name, "soon")
        with pytest.raises(CommandError, match=name) as caught:
            purge()
        assert caught.value.returncode == 7
        assert kept() == [NUMBER]

    def test_sigterm_ends_it_after_the_batch_in_hand(self, delays, monkeypatch):
        monkeypatch.setattr(purging, "BATCH", 2)
        for number in range(1, 6):
            gone(number)
        leave_numbers = erasing._leave_numbers

        def told_to_stop(*arguments):
            os.kill(os.getpid(), signal.SIGTERM)
            leave_numbers(*arguments)

        monkeypatch.setattr(erasing, "_leave_numbers", told_to_stop)
        with pytest.raises(CommandError, match="prochain lancement") as caught:
            purge()
        assert caught.value.returncode == 143
        assert kept() == [3, 4, 5]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        monkeypatch.undo()
        purge()
        assert kept() == []

    @pytest.mark.parametrize(
        ("duration", "words"),
        [
            (timedelta(days=1), "1 jour"),
            (timedelta(days=90), "90 jours"),
            (timedelta(hours=36), "36 h"),
            (timedelta(minutes=90), "90 min"),
            (timedelta(seconds=90), "90 s"),
            (timedelta(0), "0 s"),
        ],
    )
    def test_durations(self, duration, words):
        assert in_words(duration) == words


def start() -> subprocess.Popen:
    """A purge in a process of its own, on the database of the test."""
    options = django_settings.DATABASES["default"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{connection.settings_dict['NAME']}"
    else:
        place = f"{options['USER']}@{options['HOST']}:{options['PORT']}"
        url = f"postgres://{place}/{connection.settings_dict['NAME']}"
    environment = {"PATH": os.environ["PATH"], "SECRET_KEY": "for the tests only"}
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "manage.py"), "purge_dossiers"],
        env=EMPTY | environment | DELAYS | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def many(count: int) -> None:
    demarche = DemarcheFactory()
    Dossier.objects.bulk_create(
        DossierFactory.build_batch(count, demarche=demarche, erased_at=ago(1), absent_since=ago(1))
    )
    Message.objects.bulk_create(
        Message(dossier=dossier, ds_id=f"m{dossier.number}", created_at=ago(2))
        for dossier in Dossier.objects.all()
    )


def test_killed_half_way(delays):
    many(3000)
    process = start()
    while not PurgedDossier.objects.exists():
        assert process.poll() in (None, 0), process.stderr.read()
    process.kill()
    process.communicate()
    left = kept()
    assert len(left) + PurgedDossier.objects.count() == 3000
    assert Message.objects.count() == len(left)
    assert JournalEntry.objects.count() == 3000 - len(left)
    process = start()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"Dossiers effacés : {len(left)}\n")
    assert kept() == []
    versions = PurgedDossier.objects.values_list("version", flat=True)
    assert sorted(versions) == list(range(1, 3001))


def test_two_purges_and_fetches_at_once(delays, sandbox, make_client, monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 3)
    numbers = list(range(101, 113))
    for number in numbers:
        sandbox.dossiers[number] = dossier_answer(number, messages=[])
        gone(number)
    ready, raised = threading.Barrier(4), []

    def run(work):
        try:
            ready.wait()
            for _ in range(4):
                work()
        except Exception as err:  # noqa: BLE001  # shown to the test
            raised.append(err)
        finally:
            connection.close()

    def fetch(order):
        client = make_client(sandbox.url)
        for number in order:
            fetch_dossier(number, client=client)
            Dossier.objects.filter(number=number).update(erased_at=timezone.now())
        client.close()

    works = [purge, purge, lambda: fetch(numbers), lambda: fetch(numbers[::-1])]
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    purge()
    assert kept() == []
    assert Message.objects.count() == 0
    tombstones = PurgedDossier.objects.order_by("version").values_list("number", "version")
    assert sorted(number for number, _ in tombstones) == numbers
    # Each is the last thing that happened to its number, and no version was given twice.
    assert len({version for _, version in tombstones}) == len(numbers)
    assert max(version for _, version in tombstones) == Platform.objects.get().version
