"""The write path: what is stored, from which answer, and what stays."""

import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.views.debug import ExceptionReporter

from dsintegration import services
from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
)
from dsintegration.mirror import storing
from dsintegration.models import Demarche, Dossier, Message, Platform
from dsintegration.platform.client import Client
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import TOKEN, Reply, Sandbox
from dsintegration.services import AnswerNotWanted, fetch_demarche, fetch_dossier, fetch_dossiers
from dsintegration.signals import dossier_changed
from tests.factories import DossierFactory, dossier_answer, message_answer

pytestmark = pytest.mark.django_db

NUMBER = 28711001
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def platform(sandbox):
    """Sets what the platform says of NUMBER."""

    def says(reply=None, **fields):
        body = {"data": {"dossier": dossier_answer(NUMBER, **fields)}}
        sandbox.replies[NUMBER] = reply or Reply(body=body)

    return says


@pytest.fixture
def at(monkeypatch):
    """Sets the clocks, ours and the platform's: the minutes since START."""

    def set_clock(minutes):
        now = START + timedelta(minutes=minutes)
        monkeypatch.setattr("django.utils.timezone.now", lambda: now)
        return now

    set_clock(0)
    return set_clock


def stored() -> Dossier:
    return Dossier.objects.select_related("demarche").get(number=NUMBER)


def bodies() -> dict[str, str]:
    return dict(Message.objects.values_list("ds_id", "body"))


NOT_FOUND = Reply(
    body={
        "errors": [
            {"message": "…", "path": ["dossier"], "extensions": {"code": "not_found"}},
        ],
        "data": None,
    }
)


def in_error(code, status=200):
    return Reply(status, {"errors": [{"message": "…", "extensions": {"code": code}}], "data": None})


class TestStored:
    def test_every_field(self, platform, at):
        sent_at = at(0)
        platform(
            state="refuse",
            datePassageEnInstruction="2026-03-03T00:00:00+01:00",
            dateTraitement="2026-04-04T00:00:00+02:00",
            dateExpiration="2027-04-04T00:00:00+02:00",
            dateSuppressionParUsager="2026-05-05T00:00:00+02:00",
            messages=[
                message_answer("m1", discardedAt="2026-03-05T00:00:00+01:00", body=""),
                message_answer("m2", email="USAGER@example.org ", body="<b>& 🎉\r\n"),
                message_answer("m3", email="Contact@demarches-simplifiees.fr", body=""),
            ],
        )

        result = fetch_dossier(NUMBER)

        assert (result.created, result.changed) == (True, True)
        assert result.dossier == stored()
        assert dossier_as_json(stored()) == {
            "number": NUMBER,
            "ds_id": f"Dossier-{NUMBER}",
            "state": "refuse",
            "state_label": "Refusé",
            "demarche": {"number": 7, "ds_id": "Procedure-7", "title": "Demande d'aide"},
            "usager_email": "usager@example.org",
            "date_depot": "2026-03-02T08:15:41Z",
            "date_passage_en_construction": "2026-03-02T08:15:41Z",
            "date_passage_en_instruction": "2026-03-02T23:00:00Z",
            "date_traitement": "2026-04-03T22:00:00Z",
            "date_derniere_modification": "2026-03-02T08:15:41Z",
            "date_expiration": "2027-04-03T22:00:00Z",
            "date_suppression_par_usager": "2026-05-04T22:00:00Z",
            "messages": [
                {
                    "ds_id": "m1",
                    "email": "agent@example.org",
                    "author": "autre",
                    "body": "",
                    "created_at": "2026-03-02T08:15:41Z",
                    "discarded_at": "2026-03-04T23:00:00Z",
                    "absent_since": None,
                    "attachments": [],
                },
                {
                    "ds_id": "m2",
                    "email": "USAGER@example.org ",
                    "author": "usager",
                    "body": "<b>& 🎉\r\n",
                    "created_at": "2026-03-02T08:15:41Z",
                    "discarded_at": None,
                    "absent_since": None,
                    "attachments": [],
                },
                {
                    "ds_id": "m3",
                    "email": "Contact@demarches-simplifiees.fr",
                    "author": "systeme",
                    "body": "",
                    "created_at": "2026-03-02T08:15:41Z",
                    "discarded_at": None,
                    "absent_since": None,
                    "attachments": [],
                },
            ],
            "url": f"https://demarche.example.org/dossiers/{NUMBER}",
            "version": 1,
            "changed_at": "2026-06-01T12:00:00Z",
            "fetched_at": "2026-06-01T12:00:00Z",
            "checked_at": "2026-06-01T12:00:00Z",
            "absent_since": None,
        }
        assert stored().fetched_at == sent_at
        assert [message.is_only_a_file for message in stored().messages.all()] == [
            False,
            False,
            True,
        ]

    def test_unknown_etat_is_kept_as_it_came(self, platform):
        platform(state="en_pause")
        fetch_dossier(NUMBER)
        assert (stored().state, stored().get_state_display()) == ("en_pause", "en_pause")

    def test_twice_changes_nothing_but_the_moment(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        before = dossier_as_json(stored())
        rows = list(Message.objects.values())

        now = at(1)
        result = fetch_dossier(NUMBER)

        assert (result.created, result.changed) == (False, False)
        moments = {"fetched_at": "2026-06-01T12:01:00Z", "checked_at": "2026-06-01T12:01:00Z"}
        assert dossier_as_json(stored()) == before | moments
        assert stored().fetched_at == now
        assert list(Message.objects.values()) == rows
        assert Platform.objects.get().version == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "en_instruction"},
            {"dateExpiration": "2027-01-01T00:00:00+01:00"},
            {"usager": {"id": "VXNlci01", "email": "other@example.org"}},
            {"demarche": {"id": "Procedure-7", "number": 7, "title": "Nouveau titre"}},
            {"demarche": {"id": "Procedure-8", "number": 8, "title": "Demande d'aide"}},
            {"messages": [message_answer("m1"), message_answer("m2", body="autre")]},
            {"messages": [message_answer("m1"), message_answer("m2"), message_answer("m3")]},
            {"messages": [message_answer("m1")]},
        ],
    )
    def test_each_change_gives_a_version(self, platform, at, change):
        platform()
        fetch_dossier(NUMBER)
        now = at(1)
        platform(**change)

        result = fetch_dossier(NUMBER)

        assert (result.created, result.changed) == (False, True)
        assert (stored().version, stored().changed_at) == (2, now)
        assert not fetch_dossier(NUMBER).changed

    def test_messages_of_one_second_keep_their_order(self, platform):
        ids = [f"m{rank}" for rank in (3, 1, 2, 5, 4)]
        platform(messages=[message_answer(id) for id in ids])
        fetch_dossier(NUMBER)
        platform(messages=[message_answer(id) for id in [*ids, "m0"]])
        fetch_dossier(NUMBER)
        assert [message.ds_id for message in stored().messages.all()] == [*ids, "m0"]

    def test_a_message_given_twice_is_stored_once(self, platform):
        platform(messages=[message_answer("m1"), message_answer("m1", body="la dernière fois")])
        fetch_dossier(NUMBER)
        assert bodies() == {"m1": "la dernière fois"}

    def test_a_title_gives_a_version_to_all_dossiers_of_its_demarche(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        other = DossierFactory(demarche=Demarche.objects.get())
        stranger = DossierFactory()
        at(1)
        platform(demarche={"id": "Procedure-7", "number": 7, "title": "Nouveau titre"})

        result = fetch_dossier(NUMBER)

        assert str(result.dossier.demarche) == "Nouveau titre (n° 7)"
        other.refresh_from_db()
        stranger.refresh_from_db()
        assert (stored().version, other.version, stranger.version) == (2, 2, 1)
        assert other.changed_at == stored().changed_at
        assert str(stored().demarche) == "Nouveau titre (n° 7)"

    @pytest.mark.parametrize("text", ["a\0b", "a\ud83db"])
    def test_text_that_no_database_takes(self, platform, text):
        platform(
            usager={"id": "u", "email": f"{text}@example.org"},
            demarche={"id": "d", "number": 7, "title": text},
            messages=[message_answer("m1", body=text)],
        )
        fetch_dossier(NUMBER)
        assert bodies() == {"m1": "a\ufffdb"}


AUTOMATIC = "contact@demarche.numerique.gouv.fr"
USAGER = "usager@example.org"


class TestSummaryOfTheConversation:
    """What lists show and sort by, without a look at the messages."""

    @pytest.mark.parametrize(
        ("writers", "author", "usager_spoke_last"),
        [
            ([], "", False),
            ([AUTOMATIC], "systeme", False),
            ([AUTOMATIC, USAGER], "usager", True),
            ([USAGER, AUTOMATIC], "systeme", True),
            ([USAGER, "agent@example.org"], "autre", False),
            ([USAGER, "agent@example.org", AUTOMATIC], "systeme", False),
        ],
    )
    def test_who_spoke_last(self, platform, writers, author, usager_spoke_last):
        platform(
            messages=[
                message_answer(
                    f"m{hour}", email=email, createdAt=f"2026-03-02T{hour:02}:00:00+01:00"
                )
                for hour, email in enumerate(writers)
            ]
        )
        fetch_dossier(NUMBER)
        dossier = stored()
        assert (dossier.messages_count, dossier.last_message_author) == (len(writers), author)
        assert dossier.usager_spoke_last == usager_spoke_last
        last = dossier.messages.last()
        assert dossier.last_message_at == (last.created_at if last else None)

    def test_what_is_gone_is_nobody_s_last_word(self, platform):
        asked = message_answer("m1", email=USAGER)
        answered = message_answer("m2", createdAt="2026-03-03T09:00:00+01:00")
        platform(messages=[asked, answered])
        fetch_dossier(NUMBER)
        assert not stored().usager_spoke_last
        deleted = answered | {"body": "", "discardedAt": "2026-03-03T09:05:00+01:00"}
        for messages in ([asked, deleted], [asked]):
            platform(messages=messages)
            fetch_dossier(NUMBER)
            assert stored().usager_spoke_last
            assert stored().messages_count == 2

    def test_to_answer(self, platform):
        platform(messages=[message_answer("m1", email=USAGER)])
        fetch_dossier(NUMBER)
        assert stored().is_to_answer
        assert list(Dossier.objects.to_answer()) == [stored()]
        # In whatever état: whoever asks when he is paid awaits an answer.
        platform(messages=[message_answer("m1", email=USAGER)], state="accepte")
        fetch_dossier(NUMBER)
        assert stored().is_to_answer
        platform(messages=[message_answer("m1", email=USAGER), message_answer("m2")])
        fetch_dossier(NUMBER)
        assert not stored().is_to_answer
        assert not Dossier.objects.to_answer().exists()

    @pytest.mark.parametrize("address", ["new@example.org", "NEW@example.org ", USAGER.upper()])
    def test_a_question_stays_the_usager_s_when_the_address_changes(self, platform, address):
        """Another address of the account, or a transfer: the platform tells neither."""
        question = message_answer("m1", email=USAGER)
        platform(messages=[question])
        fetch_dossier(NUMBER)
        platform(messages=[question], usager={"id": "VXNlci05", "email": address})
        for _ in range(2):
            fetch_dossier(NUMBER)
            assert stored().is_to_answer
            assert stored().messages.get().author == "usager"
            assert stored().last_message_author == "usager"
        assert dossier_as_json(stored())["messages"][0]["author"] == "usager"

    def test_and_when_it_changes_again(self, platform):
        first, second = (
            message_answer("m1", email=USAGER),
            message_answer("m2", email="b@example.org"),
        )
        platform(messages=[first])
        fetch_dossier(NUMBER)
        for address in ("b@example.org", "c@example.org", "d@example.org"):
            platform(messages=[first, second], usager={"id": "VXNlci05", "email": address})
            fetch_dossier(NUMBER)
        assert [message.author for message in stored().messages.all()] == ["usager", "usager"]
        third = message_answer("m3", email=USAGER)
        platform(messages=[third], usager={"id": "VXNlci05", "email": "d@example.org"})
        fetch_dossier(NUMBER)
        authors = {message.ds_id: message.author for message in stored().messages.all()}
        assert authors == {"m1": "usager", "m2": "usager", "m3": "autre"}

    def test_one_that_was_written_just_before_the_change(self, platform):
        platform(messages=[])
        fetch_dossier(NUMBER)
        platform(
            messages=[message_answer("m1", email=USAGER), message_answer("m2", email="")],
            usager={"id": "VXNlci05", "email": "new@example.org"},
        )
        fetch_dossier(NUMBER)
        assert [message.author for message in stored().messages.all()] == ["usager", "autre"]

    def test_a_new_address_of_the_platform_is_learnt_at_the_next_fetch(self, platform, settings):
        platform(messages=[message_answer("m1", email="robot@example.org")])
        fetch_dossier(NUMBER)
        assert stored().last_message_author == "autre"
        settings.DS_SYSTEM_EMAILS = ["robot@example.org"]
        assert fetch_dossier(NUMBER).changed
        assert stored().last_message_author == "systeme"


class TestWhatJSONDoesNotShow:
    def test_a_correction_makes_no_version(self, platform):
        platform()
        fetch_dossier(NUMBER)
        platform(dateDerniereCorrectionEnAttente="2026-03-05T00:00:00+01:00")
        assert not fetch_dossier(NUMBER).changed
        assert stored().date_derniere_correction_en_attente == datetime(2026, 3, 4, 23, tzinfo=UTC)

    def test_a_deleted_account(self, platform):
        platform(usager={"id": "<deleted>", "email": USAGER})
        fetch_dossier(NUMBER)
        assert stored().usager_account_deleted


class TestWanted:
    def test_an_answer_for_somebody_else_is_not_stored(self, platform):
        platform()
        with pytest.raises(AnswerNotWanted):
            fetch_dossier(NUMBER, wanted=lambda payload: payload.demarche.number != 7)
        assert not Dossier.objects.exists()
        assert not Demarche.objects.exists()

    def test_a_stored_dossier_stays_as_it_is(self, platform):
        platform()
        fetch_dossier(NUMBER)
        before = dossier_as_json(stored())
        platform(state="accepte")
        with pytest.raises(AnswerNotWanted):
            fetch_dossier(NUMBER, wanted=lambda payload: payload.state != "accepte")
        assert dossier_as_json(stored()) == before


class TestMessagesThatMove:
    """A message appears under another dossier: it is there alone, and both say so."""

    OTHER = NUMBER + 1

    def of(self, number: int) -> tuple[int, list[str], int]:
        dossier = Dossier.objects.get(number=number)
        ids = list(dossier.messages.values_list("ds_id", flat=True))
        assert dossier.messages_count == len(ids)
        assert dossier.last_message_at == max(
            dossier.messages.values_list("created_at", flat=True), default=None
        )
        return len(ids), ids, dossier.version

    @pytest.fixture
    def moved(self, platform, sandbox):
        """m2, a question, is of NUMBER here, and of OTHER on the platform."""
        first = message_answer("m1")
        second = message_answer("m2", email=USAGER, createdAt="2026-03-05T00:00:00+01:00")
        platform(messages=[first, second])
        sandbox.dossiers[self.OTHER] = dossier_answer(self.OTHER, messages=[])
        list(fetch_dossiers([NUMBER, self.OTHER]))
        platform(messages=[first])
        sandbox.dossiers[self.OTHER] = dossier_answer(self.OTHER, messages=[second])

    @pytest.mark.parametrize(
        "numbers",
        [[OTHER], [OTHER, NUMBER], [NUMBER, OTHER], [[NUMBER], [OTHER]], [[OTHER], [NUMBER]]],
    )
    def test_both_are_right_and_new(self, moved, numbers):
        (_, _, before), (_, _, other_before) = self.of(NUMBER), self.of(self.OTHER)
        for batch in numbers if isinstance(numbers[0], list) else [numbers]:
            list(fetch_dossiers(batch))
        count, ids, version = self.of(NUMBER)
        assert (count, ids) == (1, ["m1"])
        assert version > before
        row = Dossier.objects.get(number=NUMBER)
        assert not row.usager_spoke_last
        assert (row.waiting_since, row.last_human_author) == (None, "autre")
        assert self.of(self.OTHER)[:2] == (1, ["m2"])
        assert self.of(self.OTHER)[2] > other_before
        versions = set(Dossier.objects.values_list("version", flat=True))
        assert len(versions) == 2
        assert max(versions) == Platform.objects.get().version

    def test_it_is_announced(self, moved, django_capture_on_commit_callbacks):
        heard = []

        def hear(dossier, created, fields, **_):
            heard.append((dossier.number, created, fields))

        dossier_changed.connect(hear)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                fetch_dossier(self.OTHER)
        finally:
            dossier_changed.disconnect(hear)
        assert sorted(number for number, *_ in heard) == [NUMBER, self.OTHER]
        assert not any(created for _, created, _ in heard)
        assert all("messages" in fields for *_, fields in heard)

    def test_behind_an_answer_that_is_older(self, moved, platform):
        """Of one request, the first dossier's answer is not taken, the other's is."""
        platform(dateDerniereModification="2020-01-01T00:00:00+01:00")
        list(fetch_dossiers([NUMBER, self.OTHER]))
        assert self.of(NUMBER)[:2] == (1, ["m1"])
        assert self.of(self.OTHER)[:2] == (1, ["m2"])

    def test_under_two_dossiers_at_once(self, moved, platform):
        platform(messages=[message_answer("m1"), message_answer("m2")])
        for _ in range(2):
            list(fetch_dossiers([NUMBER, self.OTHER]))
            assert self.of(NUMBER)[0] + self.of(self.OTHER)[0] == 2


class TestDeletedMessages:
    def test_the_text_goes_with_the_message(self, platform):
        platform()
        fetch_dossier(NUMBER)
        gone = message_answer("m1", body="", discardedAt="2026-03-05T00:00:00+01:00")
        platform(messages=[gone, message_answer("m2")])
        fetch_dossier(NUMBER)
        assert bodies() == {"m1": "", "m2": "Texte de m2"}
        assert stored().messages.get(ds_id="m1").discarded_at

    def test_a_text_that_still_comes_is_not_kept(self, platform):
        gone = message_answer("m1", body="reste", discardedAt="2026-03-05T00:00:00+01:00")
        platform(messages=[gone])
        fetch_dossier(NUMBER)
        assert bodies() == {"m1": ""}

    def test_a_missing_message_is_marked_and_loses_its_text(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        now = at(1)
        platform(messages=[message_answer("m2")])
        assert fetch_dossier(NUMBER).changed
        at(2)
        assert not fetch_dossier(NUMBER).changed

        message = stored().messages.get(ds_id="m1")
        assert (message.body, message.absent_since) == ("", now)
        assert not message.is_only_a_file

    def test_it_comes_back(self, platform):
        platform(messages=[message_answer("m2")])
        fetch_dossier(NUMBER)
        platform(messages=[])
        fetch_dossier(NUMBER)
        platform(messages=[message_answer("m2")])
        assert fetch_dossier(NUMBER).changed
        message = stored().messages.get()
        assert (message.body, message.absent_since) == ("Texte de m2", None)


class TestOldAnswers:
    def test_an_older_modification_loses_even_if_sent_later(self, platform, at):
        platform(dateDerniereModification="2026-05-01T00:00:00+02:00", state="accepte")
        fetch_dossier(NUMBER)
        before = dossier_as_json(stored())
        at(1)
        platform(dateDerniereModification="2026-04-01T00:00:00+02:00", state="en_instruction")

        result = fetch_dossier(NUMBER)

        assert (result.created, result.changed) == (False, False)
        assert dossier_as_json(result.dossier) == dossier_as_json(stored()) == before

    def test_of_one_second_the_one_sent_last_wins(self, platform, at):
        at(1)
        platform(state="accepte")
        fetch_dossier(NUMBER)
        at(0)
        platform(state="en_instruction")
        assert not fetch_dossier(NUMBER).changed
        at(2)
        assert fetch_dossier(NUMBER).changed
        assert stored().state == "en_instruction"

    def test_a_newer_modification_wins_even_if_sent_before(self, platform, at):
        at(1)
        platform()
        fetch_dossier(NUMBER)
        now = at(0)
        platform(dateDerniereModification="2026-05-01T00:00:00+02:00", state="accepte")
        fetch_dossier(NUMBER)
        assert (stored().state, stored().fetched_at) == ("accepte", now)
        assert stored().checked_at == now + timedelta(minutes=1)

    def test_an_older_title_loses(self, platform, sandbox, at):
        at(1)
        platform(demarche={"id": "Procedure-7", "number": 7, "title": "Nouveau titre"})
        fetch_dossier(NUMBER)
        at(0)
        body = {"data": {"dossier": dossier_answer(NUMBER + 1, messages=[])}}
        sandbox.replies[NUMBER + 1] = Reply(body=body)
        fetch_dossier(NUMBER + 1)
        assert Demarche.objects.get().title == "Nouveau titre"

    def test_a_title_that_a_later_answer_found_unchanged_stays(self, platform, sandbox, at):
        """It was another one meanwhile, as an answer says that comes late."""
        platform()
        fetch_dossier(NUMBER)
        at(2)
        fetch_dossier(NUMBER)
        at(1)
        other = dossier_answer(NUMBER + 1, messages=[])
        other["demarche"] |= {"title": "Titre d'un moment"}
        sandbox.replies[NUMBER + 1] = Reply(body={"data": {"dossier": other}})
        fetch_dossier(NUMBER + 1)
        assert Demarche.objects.get().title == "Demande d'aide"


class TestRetriedAnswers:
    """An answer is as new as the try that it came from, not as the first one."""

    def test_a_retry_is_newer_than_what_came_meanwhile(self, platform, sandbox, at, monkeypatch):
        at(0)
        good = Reply(body={"data": {"dossier": dossier_answer(NUMBER, state="accepte")}})
        platform([Reply(503), good])

        def meanwhile(seconds):
            now = at(1)
            DossierFactory(number=NUMBER, fetched_at=now, checked_at=now, absent_since=now)
            Dossier.objects.update(date_derniere_modification="2026-03-02T08:15:41Z")
            at(2)

        monkeypatch.setattr("dsintegration.platform.client.pause", meanwhile)
        fetch_dossier(NUMBER)
        assert (stored().state, stored().absent_since) == ("accepte", None)
        assert stored().fetched_at == at(2)


class TestAbsence:
    def test_marked_once_and_kept(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        before = dossier_as_json(stored())
        platform(NOT_FOUND)
        for hours in (1, 2):
            at(hours)
            with pytest.raises(DossierNotFound):
                fetch_dossier(NUMBER)
        assert dossier_as_json(stored()) == before | {
            "absent_since": "2026-06-01T12:01:00Z",
            "changed_at": "2026-06-01T12:01:00Z",
            "checked_at": "2026-06-01T12:02:00Z",
            "version": 2,
        }
        assert stored().last_error_code == ""

    def test_unmarked_when_it_returns(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        at(1)
        platform(NOT_FOUND)
        with pytest.raises(DossierNotFound):
            fetch_dossier(NUMBER)
        at(2)
        platform()
        assert fetch_dossier(NUMBER).changed
        assert (stored().absent_since, stored().version) == (None, 3)

    def test_an_unknown_number_leaves_nothing(self, platform):
        platform(NOT_FOUND)
        with pytest.raises(DossierNotFound) as caught:
            fetch_dossier(NUMBER)
        assert caught.value.dossier_number == NUMBER
        assert not Dossier.objects.exists()

    def test_an_older_not_found_does_not_mark(self, platform, at):
        at(1)
        platform()
        fetch_dossier(NUMBER)
        at(0)
        platform(NOT_FOUND)
        with pytest.raises(DossierNotFound):
            fetch_dossier(NUMBER)
        assert stored().absent_since is None

    def test_an_older_answer_does_not_unmark(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        now = at(2)
        platform(NOT_FOUND)
        with pytest.raises(DossierNotFound):
            fetch_dossier(NUMBER)
        at(1)
        platform(dateDerniereModification="2026-05-01T00:00:00+02:00", state="accepte")
        fetch_dossier(NUMBER)
        assert (stored().state, stored().absent_since) == ("accepte", now)


class TestFailures:
    CONCERN_THE_DOSSIER = {
        "no right": (in_error("unauthorized"), DSAccessDenied, "no_right"),
        "timeout": (in_error("timeout"), DSUnavailable, "query_timeout"),
        "500": (in_error("internal_server_error", 500), DSUnavailable, "server_error"),
        "invalid_null": (in_error("invalid_null"), DSInvalidResponse, "unexpected"),
        "another dossier": (
            Reply(body={"data": {"dossier": dossier_answer(NUMBER + 1)}}),
            DSInvalidResponse,
            "unexpected",
        ),
        "a dossier of another shape": (
            Reply(body={"data": {"dossier": {"number": NUMBER}}}),
            DSInvalidResponse,
            "unexpected",
        ),
        "errors beside data": (
            Reply(
                body={
                    "errors": [{"message": "…", "extensions": {"code": "other"}}],
                    "data": {"dossier": dossier_answer(NUMBER, state="accepte")},
                }
            ),
            DSInvalidResponse,
            "unexpected",
        ),
    }
    CONCERN_ALL = {
        "token": (in_error("forbidden", 403), DSAccessDenied, "token_refused"),
        "expired token": (in_error("unauthorized", 401), DSAccessDenied, "token_expired"),
        "429": (Reply(429), DSUnavailable, "throttled"),
        "503": (Reply(503), DSUnavailable, "maintenance"),
        "HTML": (Reply(200, "<html>"), DSInvalidResponse, "not_the_api"),
        "redirect": (Reply(301), DSInvalidResponse, "redirect"),
        "query": (in_error("bad_request", 400), DSInvalidResponse, "query_refused"),
    }

    @pytest.mark.parametrize("name", CONCERN_THE_DOSSIER)
    def test_of_one_dossier(self, platform, at, name):
        reply, kind, reason = self.CONCERN_THE_DOSSIER[name]
        platform()
        fetch_dossier(NUMBER)
        before = dossier_as_json(stored())
        now = at(1)
        platform(reply)
        with pytest.raises(kind) as caught:
            fetch_dossier(NUMBER)
        assert dossier_as_json(stored()) == before
        noted = (stored().last_error_code, stored().last_error_reason, stored().last_error_at)
        assert noted == (caught.value.code, reason, now)
        assert Platform.objects.get().last_error_code == ""

        at(2)
        platform()
        assert not fetch_dossier(NUMBER).changed
        assert (stored().last_error_code, stored().last_error_at) == ("", None)

    @pytest.mark.parametrize("name", CONCERN_ALL)
    def test_of_the_platform(self, platform, at, name):
        reply, kind, reason = self.CONCERN_ALL[name]
        platform()
        fetch_dossier(NUMBER)
        before = dossier_as_json(stored())
        now = at(1)
        platform(reply)
        with pytest.raises(kind) as caught:
            fetch_dossier(NUMBER)
        assert dossier_as_json(stored()) == before
        assert stored().last_error_code == ""
        row = Platform.objects.get()
        noted = (row.last_error_code, row.last_error_reason, row.last_error_at)
        assert noted == (caught.value.code, reason, now)

        at(2)
        platform()
        assert not fetch_dossier(NUMBER).changed
        row = Platform.objects.get()
        assert (row.last_error_code, row.last_error_at, row.version) == ("", None, 1)

    def test_an_older_failure_is_not_noted(self, platform, at):
        at(1)
        platform()
        fetch_dossier(NUMBER)
        at(0)
        platform(in_error("timeout"))
        with pytest.raises(DSUnavailable):
            fetch_dossier(NUMBER)
        assert stored().last_error_code == ""

    def test_an_older_failure_does_not_hide_a_newer_one(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        for hours, code in ((2, "unauthorized"), (1, "timeout")):
            at(hours)
            platform(in_error(code))
            with pytest.raises(DSError):
                fetch_dossier(NUMBER)
        assert stored().last_error_reason == "no_right"

    def test_a_failure_of_the_platform_before_a_good_answer_is_not_noted(self, platform, at):
        at(1)
        platform()
        fetch_dossier(NUMBER)
        at(0)
        platform(Reply(503))
        with pytest.raises(DSUnavailable):
            fetch_dossier(NUMBER)
        assert Platform.objects.get().last_error_code == ""

    @pytest.mark.parametrize("reply", [NOT_FOUND, in_error("unauthorized")])
    def test_any_answer_of_the_platform_ends_its_failure(self, platform, at, reply):
        platform(Reply(503))
        with pytest.raises(DSUnavailable):
            fetch_dossier(NUMBER)
        assert Platform.objects.get().last_error_code
        at(1)
        platform(reply)
        with pytest.raises(DSError):
            fetch_dossier(NUMBER)
        assert Platform.objects.get().last_error_code == ""

    def test_a_database_in_trouble_does_not_hide_the_failure(self, platform, monkeypatch, logs):
        def locked(*_):
            raise OperationalError("database is locked")

        monkeypatch.setattr(services, "store_failures", locked)
        platform(in_error("timeout"))
        with pytest.raises(DSUnavailable):
            fetch_dossier(NUMBER)
        assert f"failure of {NUMBER} not noted: OperationalError" in logs.text

    @pytest.mark.parametrize(("name", "value"), [("DS_SITE_URL", "x"), ("DS_SYSTEM_EMAILS", "x")])
    def test_settings_are_read_before_anything_is_asked(self, sandbox, settings, name, value):
        setattr(settings, name, value)
        with pytest.raises(ImproperlyConfigured, match=name):
            fetch_dossier(12345)
        assert not sandbox.received
        assert not Dossier.objects.exists()

    def test_an_error_report_shows_nothing_of_an_answer(self, platform):
        body = "secret " * 2  # not as it stands in this source, which the report shows
        platform(messages=[message_answer("m1", body=body, createdAt=None)])
        del body
        try:
            fetch_dossier(NUMBER)
        except DSInvalidResponse:
            report = ExceptionReporter(None, *sys.exc_info()).get_traceback_html()
        assert "parse_dossier" in report
        for private in ("secret " * 2, USAGER, TOKEN):
            assert private not in report

    def test_absence_ends_an_error(self, platform, at):
        platform()
        fetch_dossier(NUMBER)
        for hours, reply in ((1, in_error("timeout")), (2, NOT_FOUND)):
            at(hours)
            platform(reply)
            with pytest.raises(DSError):
                fetch_dossier(NUMBER)
        assert (stored().last_error_code, bool(stored().absent_since)) == ("", True)

    def test_nothing_is_stored_of_a_wrong_answer(self, platform):
        platform(self.CONCERN_THE_DOSSIER["errors beside data"][0])
        with pytest.raises(DSInvalidResponse):
            fetch_dossier(NUMBER)
        assert not Dossier.objects.exists()
        assert not Demarche.objects.exists()

    def test_a_stop_in_the_middle_leaves_nothing(self, platform, monkeypatch):
        platform()

        def stop(messages):
            raise KeyboardInterrupt

        monkeypatch.setattr(storing, "write_messages", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch_dossier(NUMBER)
        assert not Dossier.objects.exists()
        assert not Demarche.objects.exists()
        assert Platform.objects.get().version == 0


class TestInstance:
    @pytest.fixture
    def other(self):
        other = Sandbox()
        yield other
        other.close()

    def test_another_one_is_refused_before_it_is_asked(self, sandbox, other, settings):
        fetch_dossier(12345)
        settings.DS_API_URL = other.url
        with pytest.raises(ImproperlyConfigured, match="DS_API_URL") as caught:
            fetch_dossier(12346)
        assert sandbox.url.removesuffix("/api/v2/graphql") in str(caught.value)
        assert not other.received
        assert Dossier.objects.count() == 1

    def test_a_demarche_alone_tells_which_it_is(self, sandbox, other, make_client):
        fetch_demarche(901)
        with pytest.raises(ImproperlyConfigured):
            fetch_dossier(12345, client=make_client(other.url))
        assert not other.received

    def test_another_one_does_not_mark_dossiers_absent(self, sandbox, other, make_client):
        fetch_dossier(12345)
        other.dossiers.clear()
        with pytest.raises(ImproperlyConfigured):
            fetch_dossier(12345, client=make_client(other.url))
        assert Dossier.objects.get().absent_since is None

    def test_a_process_that_had_recognised_it_looks_again_when_storing(self, sandbox):
        fetch_dossier(12345)
        fetch_dossier(12345)  # recognises
        Platform.objects.update(instance="https://demarches.example.org")
        with pytest.raises(ImproperlyConfigured):
            fetch_dossier(12346)
        assert Dossier.objects.count() == 1

    @pytest.mark.parametrize(
        "url",
        [
            "https://www.demarches-simplifiees.fr/api/v2/graphql",
            "https://DEMARCHE.numerique.gouv.fr:443/x",
        ],
    )
    def test_the_platform_s_names_are_one(self, sandbox, monkeypatch, url):
        Platform.objects.update(instance="https://demarche.numerique.gouv.fr")
        client = Client(url, TOKEN)
        monkeypatch.setattr(client, "get_dossier", lambda number, _: dossier_answer(number))
        assert fetch_dossier(NUMBER, client=client).created

    def test_a_flushed_database_starts_again(self, sandbox):
        Platform.objects.all().delete()
        assert fetch_dossier(12345).created
        assert Platform.objects.get().version == 1


class TestCost:
    @pytest.mark.parametrize("count", [0, 10, 1000])
    def test_statements_do_not_grow(self, platform, at, count, django_assert_max_num_queries):
        fields = {"messages": [message_answer(f"m{rank}") for rank in range(count)]}
        platform(**fields)
        # BEGIN and COMMIT are savepoints here, and counted, and so is the entry of the journal:
        # three more than what is allowed.
        # The first fetch of a process looks whether anything is kept of forms.
        with django_assert_max_num_queries(10 + 3):
            assert fetch_dossier(NUMBER).created
        fetch_dossier(NUMBER)
        with django_assert_max_num_queries(4 + 3):
            assert not fetch_dossier(NUMBER).changed
        at(1)
        platform(
            messages=[message_answer(f"m{rank}", body="autre") for rank in range(1, count + 2)],
            demarche={"id": "Procedure-7", "number": 7, "title": "Nouveau titre"},
        )
        with django_assert_max_num_queries(9 + 3):
            assert fetch_dossier(NUMBER).changed
        assert Message.objects.count() == count + 2 if count else 1


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def together(self, works):
        """Run all at once; what each raised."""
        raised, ready = [], threading.Barrier(len(works))

        def run(work):
            try:
                ready.wait()
                work()
            except Exception as err:  # noqa: BLE001  # shown to the test
                raised.append(err)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return raised

    def test_the_same_new_dossier(self, sandbox, make_client):
        results = []

        def fetch():
            client = make_client(sandbox.url)
            results.append(fetch_dossier(12345, client=client))
            client.close()

        assert not self.together([fetch] * 8)
        assert sorted(result.created for result in results) == [False] * 7 + [True]
        assert Dossier.objects.count() == Platform.objects.get().version == 1
        assert Message.objects.count() == 5

    def test_versions_grow_in_the_order_of_commits(self, sandbox, make_client):
        """A reader that saw version N never meets a smaller new one afterwards."""
        numbers = sorted(sandbox.dossiers)
        seen, late, ended = {}, [], threading.Event()

        def read():
            while not ended.is_set():
                highest = max(seen.values(), default=0)
                for number, version in Dossier.objects.values_list("number", "version"):
                    if number not in seen and version <= highest:
                        late.append((number, version, highest))
                    seen[number] = version
            connection.close()

        def fetch(number):
            client = make_client(sandbox.url)
            fetch_dossier(number, client=client)
            client.close()

        reader = threading.Thread(target=read)
        reader.start()
        raised = self.together([lambda number=number: fetch(number) for number in numbers])
        ended.set()
        reader.join()
        assert not raised
        assert not late
        assert Dossier.objects.aggregate(Max("version"))["version__max"] == len(numbers)

    def test_changes_and_absences_do_not_lock_each_other(self, sandbox, make_client):
        numbers = [12345, 12350, 12354]  # one démarche
        for number in numbers:
            fetch_dossier(number)

        def work(number, rank):
            client = make_client(sandbox.url)
            for turn in range(10):
                answer = dict(sandbox.dossiers[number])
                title = f"Titre {rank} {turn}"
                answer["demarche"] = answer["demarche"] | {"title": title}
                sandbox.replies[number] = Reply(body={"data": {"dossier": answer}})
                fetch_dossier(number, client=client)
                sandbox.replies[number] = NOT_FOUND
                with pytest.raises(DossierNotFound):
                    fetch_dossier(number, client=client)
            client.close()

        works = [lambda n=number, r=rank: work(n, r) for rank, number in enumerate(numbers)]
        assert not self.together(works)
        assert Dossier.objects.filter(absent_since=None).count() == 0

    def test_inside_a_transaction_is_refused(self, sandbox):
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            fetch_dossier(12345)


def test_checked_at_is_now(sandbox):
    before = timezone.now()
    dossier = fetch_dossier(12345).dossier
    assert before <= dossier.fetched_at == dossier.checked_at <= timezone.now()
