"""What a démarche keeps of its dossiers: asked for, stored, erased, and nothing else."""

import json
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from dsintegration import journal
from dsintegration.mirror.choices import (
    _seen_nothing,
    choose,
    erase_unchosen,
    incomplete,
    prune,
    waiting,
)
from dsintegration.models import ChampValue, Demarche, Dossier, JournalEntry, Platform
from dsintegration.payloads.selection import Selection
from dsintegration.platform.sockets import deadline
from dsintegration.sandbox import Reply
from dsintegration.sandbox.forms import SHORT_FORM, Line, answers, champ_id
from dsintegration.services import fetch_dossier, fetch_dossiers, read_form
from dsintegration.signals import dossier_changed
from tests.factories import dossier_answer
from tests.refresh.command import Run

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 70_001
NAME, SIRET, AMOUNT = (champ_id(key) for key in (301, 302, 303))
VALUES = {301: "Commune de Dreux", 302: ("21280134800018", "COMMUNE DE DREUX"), 303: 4300.5}


@pytest.fixture
def put(sandbox, settings):
    """Puts a dossier of démarche 7, which asks the short form, on the platform."""
    settings.DS_IN_FLIGHT = 1

    def put(number=NUMBER, values=VALUES, form=SHORT_FORM, **fields):
        sandbox.dossiers[number] = dossier_answer(
            number, **({"champs": answers(form, values)} | fields)
        )
        return number

    return put


@pytest.fixture
def chosen(sandbox):
    """Chooses what démarche 7 keeps."""

    def choose_of(number=7, **chosen):
        demarche = read_form(number)
        choose(demarche, by=journal.CODE, **chosen)
        sandbox.received.clear()
        return demarche

    return choose_of


def sent(sandbox) -> str:
    """All that was asked, ids in variables included."""
    return json.dumps([request.body for request in sandbox.received])


def stored(number=NUMBER) -> Dossier:
    return Dossier.objects.get(number=number)


class TestNothingByDefault:
    def test_no_champ_is_asked_for(self, sandbox, put):
        fetch_dossier(put())
        list(fetch_dossiers([NUMBER, 12345]))
        assert "Champ" not in sent(sandbox)
        assert "demandeur" not in sent(sandbox)
        dossier = stored()
        assert [dossier.champs, dossier.annotations, dossier.demandeur] == [None] * 3
        assert (dossier.instruction, dossier.content_key) == (None, "")

    def test_reading_the_form_chooses_nothing(self, sandbox, put):
        demarche = read_form(7)
        assert demarche.champs.count() == len(SHORT_FORM)
        assert not demarche.champs.kept().exists()
        sandbox.received.clear()
        fetch_dossier(put())
        assert "Champ" not in sent(sandbox)


class TestFetching:
    def test_what_is_not_chosen_never_leaves_the_platform(self, sandbox, put, chosen):
        chosen(champs=[SIRET])
        fetch_dossier(put())
        fetch_dossier(NUMBER)
        list(fetch_dossiers([NUMBER, put(70_002)]))
        Dossier.objects.update(checked_at=timezone.now() - timedelta(days=2))
        Run()
        Run("--full")
        call_command("follow_demarche", "7")
        Run()
        assert SIRET in sent(sandbox)
        assert not [other for other in (NAME, AMOUNT) if other in sent(sandbox)]
        assert "demandeur" not in sent(sandbox)
        assert "traitements" not in sent(sandbox)
        asked = [r.body["query"] for r in sandbox.received if "Champ" in r.body["query"]]
        assert asked
        assert not [query for query in asked if " champs {" in query.split("fragment Champ")[0]]
        assert [champ["id"] for champ in stored().champs] == [SIRET]

    def test_a_new_dossier_costs_one_request_more_and_a_known_one_none(self, sandbox, put, chosen):
        chosen(champs=[SIRET])
        assert fetch_dossier(put()).created
        assert len(sandbox.received) == 2
        assert fetch_dossier(NUMBER).changed is False
        assert len(sandbox.received) == 3

    def test_one_version_for_a_new_dossier(self, put, chosen):
        chosen(champs=[SIRET])
        before = Platform.objects.get().version
        fetch_dossier(put())
        assert Platform.objects.get().version == before + 1

    def test_batches_go_by_demarche(self, sandbox, put, chosen):
        numbers = [put(70_000 + rank) for rank in range(30)]
        others = list(range(80_000, 80_030))
        for number in others:
            demarche = {"id": "Procedure-8", "number": 8, "title": "Bourse"}
            sandbox.dossiers[number] = dossier_answer(number, demarche=demarche)
        list(fetch_dossiers([*numbers, *others]))
        chosen(champs=[NAME, SIRET])
        mixed = [n for pair in zip(numbers, others, strict=True) for n in pair]
        assert len([o for o in fetch_dossiers(mixed) if o.result]) == 60
        assert len(sandbox.received) == 2
        assert all(dossier.champs for dossier in Dossier.objects.filter(demarche__number=7))

    def test_new_ones_in_a_batch_are_asked_again_together(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        numbers = [put(70_000 + rank) for rank in range(30)]
        outcomes = list(fetch_dossiers(numbers))
        assert [outcome.result.created for outcome in outcomes] == [True] * 30
        assert len(sandbox.received) == 2
        assert Dossier.objects.exclude(champs=None).count() == 30

    def test_a_document_holds_no_more_points_than_the_platform_allows(self):
        ids = tuple(champ_id(key) for key in range(300))
        assert Selection(champs=ids[:20]).most_at_once >= 20
        assert 1 <= Selection(champs=ids).most_at_once < 5
        assert Selection(champs=ids, all_champs=True).most_at_once >= 50

    def test_a_long_form_of_which_all_is_chosen_is_asked_for_whole(self, sandbox, put, chosen):
        questions = (Line(1000 + key, "Text", f"Question {key}") for key in range(30))
        form = (Line(999, "HeaderSection", "Votre projet"), *questions)
        sandbox.revisions[7] = {
            "champDescriptors": [line.descriptor for line in form],
            "annotationDescriptors": [],
        }
        chosen(champs=[champ_id(1000 + key) for key in range(30)])
        added = (*form, Line(2000, "Text", "Ajoutée depuis"))
        fetch_dossier(put(form=added, values={1001: "oui", 2000: "non"}))
        assert " champs { ...Champ }" in sent(sandbox)
        assert [champ["value"] for champ in stored().champs[:2]] == [None, "oui"]
        assert len(stored().champs) == 30

    @pytest.mark.parametrize("count", [0, 30, 300])
    def test_statements_do_not_grow(self, put, chosen, count, django_assert_max_num_queries):
        form = tuple(Line(1000 + key, "Text", f"Question {key}") for key in range(count))
        put_it = {"form": form, "values": {1000 + key: f"oui {key}" for key in range(count)}}
        fetch_dossier(put(70_000, messages=[]))
        demarche = Demarche.objects.get(number=7)
        demarche.selection = Selection(
            champs=tuple(champ_id(1000 + key) for key in range(count)), demandeur=True
        ).as_json() | {"searchable": [champ_id(1000 + key) for key in range(min(count, 10))]}
        demarche.selection_key = "of this test"
        demarche.save()
        _seen_nothing.clear()
        put(**put_it)
        # BEGIN and COMMIT, and the entry of the journal, are counted and not meant. A new dossier
        # with messages takes one more, where its answers are searchable.
        with django_assert_max_num_queries(9 + 3):
            assert fetch_dossier(NUMBER).created
        with django_assert_max_num_queries(8 + 3):
            assert not fetch_dossier(NUMBER).changed
        put(form=form, values={1000 + key: "autre" for key in range(count)}, state="accepte")
        with django_assert_max_num_queries(8 + 3):
            assert fetch_dossier(NUMBER).changed

    def test_statements_of_a_batch(self, put, chosen, django_assert_max_num_queries):
        chosen(champs=[NAME, SIRET], demandeur=True)
        numbers = [put(70_000 + rank) for rank in range(50)]
        list(fetch_dossiers(numbers))
        with django_assert_max_num_queries(8 + 3):
            assert not any(o.result.changed for o in fetch_dossiers(numbers))

    def test_a_process_that_saw_no_choice_learns_of_it(self, sandbox, put):
        fetch_dossier(put())
        # As another process does it.
        keeps = Selection(champs=(NAME,))
        chosen = {"selection": keeps.as_json(), "selection_key": keeps.key}
        Demarche.objects.filter(number=7).update(**chosen)
        sandbox.received.clear()
        fetch_dossier(NUMBER)
        assert "Champ" not in sent(sandbox)
        fetch_dossier(NUMBER)
        assert [champ["id"] for champ in stored().champs] == [NAME]


class TestFailures:
    def test_one_that_takes_all_the_time_costs_the_content(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        fetch_dossier(put())
        answer = sandbox.answer

        def slowly(request):
            if "fragment Champ" in request.body["query"]:
                time.sleep(3)
            return answer(request)

        put(state="accepte")
        sandbox.answer = slowly
        try:
            with deadline(2):
                fetch_dossier(NUMBER)
        finally:
            sandbox.answer = answer
        dossier = stored()
        assert (dossier.state, dossier.content_error_reason) == ("accepte", "timeout")
        assert dossier.champs

    def test_an_unreadable_content_costs_the_content(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        sandbox.unreadable = {NUMBER}
        result = fetch_dossier(put())
        assert result.created
        dossier = stored()
        assert (dossier.champs, dossier.content_error_reason) == (None, "unexpected")
        assert dossier.content_error_at
        assert dossier.last_error_at is None

    def test_what_was_read_before_stays_with_a_mark(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        fetch_dossier(put())
        sandbox.unreadable = {NUMBER}
        put(state="accepte")
        assert fetch_dossier(NUMBER).changed
        dossier = stored()
        assert dossier.state == "accepte"
        assert dossier.champs[0]["value"] == "Commune de Dreux"
        assert dossier.content_error_reason == "unexpected"
        sandbox.unreadable = set()
        fetch_dossier(NUMBER)
        assert stored().content_error_reason == ""

    def test_what_was_read_in_another_demarche_does_not_stay(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        bourse = {"id": "Procedure-8", "number": 8, "title": "Bourse"}
        fetch_dossier(put(80_000, demarche=bourse, messages=[]))
        chosen(8, champs=[NAME])
        fetch_dossier(put())
        assert stored().champs
        sandbox.unreadable = {NUMBER}
        fetch_dossier(put(demarche=bourse))
        dossier = stored()
        assert (dossier.demarche.number, dossier.champs) == (8, None)
        assert dossier.content_error_reason == "unexpected"

    def test_of_two_the_other_is_whole(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        numbers = [put(70_000 + rank, messages=[]) for rank in range(2)]
        sandbox.unreadable = {70_000}
        assert all(outcome.result for outcome in fetch_dossiers(numbers))
        assert stored(70_000).content_error_reason == "unexpected"
        assert stored(70_001).champs

    def test_one_that_is_gone_is_not_asked_for_again_without_it(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        numbers = [put(70_000 + rank, messages=[]) for rank in range(3)]
        list(fetch_dossiers(numbers))
        del sandbox.dossiers[70_001]
        sandbox.received.clear()
        assert len([o for o in fetch_dossiers(numbers) if o.error]) == 1
        assert len(sandbox.received) == 2

    def test_neighbours_are_whole(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        numbers = [put(70_000 + rank) for rank in range(20)]
        list(fetch_dossiers(numbers))
        sandbox.unreadable = {70_003, 70_011}
        for number in numbers:
            put(number, values={301: "Autre nom"}, state="accepte")
        assert len([o for o in fetch_dossiers(numbers) if o.result and o.result.changed]) == 20
        marked = set(
            Dossier.objects.exclude(content_error_at=None).values_list("number", flat=True)
        )
        assert marked == {70_003, 70_011}
        assert Dossier.objects.filter(state="accepte").count() == 20
        others = Dossier.objects.exclude(number__in=marked)
        assert {dossier.champs[0]["value"] for dossier in others} == {"Autre nom"}

    def test_one_that_takes_too_long_is_found_by_halves(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        numbers = [put(70_000 + rank) for rank in range(16)]
        sandbox.slow = {70_005}
        assert all(outcome.result for outcome in fetch_dossiers(numbers))
        assert stored(70_005).content_error_reason == "query_timeout"
        assert Dossier.objects.exclude(champs=None).count() == 15

    def test_a_list_of_whole_dossiers(self, sandbox, put, chosen):
        demarche = chosen(champs=[NAME])
        for rank in range(20):
            put(70_000 + rank)
        sandbox.unreadable = {70_003}
        call_command("follow_demarche", "7")
        assert demarche.dossiers.count() == 20
        assert demarche.dossiers.exclude(champs=None).count() == 19
        assert stored(70_003).content_error_reason == "unexpected"

    def test_a_second_request_that_fails_loses_nothing(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        number = put()
        whole = Reply(body={"data": {"dossier": sandbox.dossiers[number]}})
        sandbox.replies[number] = [whole, Reply(503)]
        assert fetch_dossier(number).created
        assert stored().content_error_reason == "maintenance"

    @pytest.mark.parametrize(
        "champ",
        [
            {"__typename": "DateChamp", "date": "19 décembre 2026"},
            {"__typename": "DateChamp"},
            {"__typename": "CarteChamp", "geoAreas": None},
            {"__typename": "IntegerNumberChamp", "integer": "douze"},
            {"__typename": "RepetitionChamp", "rows": [{"champs": [{}]}]},
            None,
        ],
    )
    def test_an_answer_that_is_not_understood(self, sandbox, put, chosen, champ, logs):
        chosen(champs=[NAME])
        head = {"id": NAME, "champDescriptorId": NAME, "label": "Nom", "stringValue": "Secret"}
        dossier = sandbox.dossiers[put()] | {"c0": [champ and head | champ]}
        sandbox.replies[NUMBER] = Reply(body={"data": {"dossier": dossier}})
        assert fetch_dossier(NUMBER).created
        assert stored().content_error_reason == "unexpected"
        assert "Secret" not in logs.text.replace('"label"', "")


class TestChoosing:
    def test_less_erases(self, put, chosen):
        demarche = chosen(champs=[NAME, SIRET], demandeur=True)
        fetch_dossier(put())
        was, version = Selection.of(demarche.selection), stored().version
        choose(demarche, by=journal.CODE, champs=[SIRET], demandeur=False)
        assert list(prune(demarche, was)) == [1]
        dossier = stored()
        assert [champ["id"] for champ in dossier.champs] == [SIRET]
        assert dossier.demandeur is None
        assert dossier.version > version
        assert dossier.content_key == demarche.selection_key  # nothing to fetch

    def test_what_is_still_chosen_stays(self, put, chosen):
        demarche = chosen(champs=[NAME, SIRET], demandeur=True, instruction=True)
        fetch_dossier(put())
        before = stored()
        choose(demarche, by=journal.CODE, champs=[SIRET])
        assert list(prune(demarche)) == [1]
        after = stored()
        assert before.demandeur
        assert before.instruction
        assert (after.demandeur, after.instruction) == (before.demandeur, before.instruction)

    def test_less_erases_in_its_own_demarche_alone(self, put, chosen):
        demarche = chosen(champs=[NAME, SIRET])
        fetch_dossier(put())
        bourse = {"id": "Procedure-8", "number": 8, "title": "Bourse"}
        put(demarche=bourse)
        chosen(8, champs=[NAME, SIRET])
        fetch_dossier(put(NUMBER + 1, demarche=bourse, messages=[]))
        before = stored(NUMBER + 1)
        fetch_dossier(put())
        choose(demarche, by=journal.CODE, champs=[SIRET])
        assert list(prune(demarche)) == [1]
        assert [champ["id"] for champ in stored().champs] == [SIRET]
        after = stored(NUMBER + 1)
        assert [champ["id"] for champ in after.champs] == [NAME, SIRET]
        assert (after.version, after.content_key) == (before.version, before.content_key)

    def test_work_of_after_the_page_is_of_its_demarche(self, put, chosen):
        chosen(champs=[NAME])
        bourse = {"id": "Procedure-8", "number": 8, "title": "Bourse"}
        put(demarche=bourse)
        demarche = chosen(8, champs=[NAME, SIRET])
        fetch_dossier(NUMBER)
        choose(demarche, by=journal.CODE, champs=[SIRET])
        erase_unchosen(str(demarche.pk), {}, reindex=False)
        assert [champ["id"] for champ in stored().champs] == [SIRET]

    def test_how_many_wait_for_what_is_chosen(self, put, chosen):
        numbers = [put(70_000 + rank, messages=[]) for rank in range(3)]
        list(fetch_dossiers(numbers))
        demarche = Demarche.objects.get(number=7)
        assert waiting(demarche) == 0
        demarche = chosen(champs=[NAME])
        assert waiting(demarche) == 3
        fetch_dossier(numbers[0])
        assert waiting(demarche) == 2
        Dossier.objects.filter(number=numbers[1]).update(absent_since=timezone.now())
        assert waiting(demarche) == 1
        fetch_dossier(numbers[2])
        assert waiting(demarche) == 0

    def test_who_is_to_be_completed(self, put, chosen):
        numbers = [put(80_000 + rank, messages=[]) for rank in range(3)]
        list(fetch_dossiers(numbers))
        fetch_dossier(put(demarche={"id": "Procedure-8", "number": 8, "title": "Bourse"}))
        Dossier.objects.filter(number=numbers[1]).update(absent_since=timezone.now())
        demarche = chosen(champs=[NAME])
        assert list(incomplete(Demarche.objects.all())) == [numbers[0], numbers[2]]
        assert list(incomplete(Demarche.objects.exclude(number=7))) == []
        list(fetch_dossiers(numbers))
        choose(demarche, by=journal.CODE, champs=[])
        assert Dossier.objects.exclude(content_key="").exists()  # as long as nothing erases it
        assert waiting(demarche) == 0
        assert list(incomplete(Demarche.objects.all())) == []

    def test_what_has_none_of_what_is_dropped_does_not_change(self, put, chosen):
        demarche = chosen(champs=[NAME, SIRET])
        fetch_dossier(put(80_000, messages=[]))
        Dossier.objects.update(champs=[])  # hidden in it
        fetch_dossier(put(80_001, messages=[]))
        before = dict(Dossier.objects.values_list("number", "version"))
        choose(demarche, by=journal.CODE, champs=[SIRET])
        assert list(prune(demarche)) == [1]
        after = dict(Dossier.objects.values_list("number", "version"))
        assert after[80_000] == before[80_000]
        assert after[80_001] == max(before.values()) + 1

    def test_what_changes_afterwards_has_a_later_version(self, put, chosen):
        demarche = chosen(champs=[NAME, SIRET])
        fetch_dossier(put())
        choose(demarche, by=journal.CODE, champs=[SIRET])
        list(prune(demarche))
        other = fetch_dossier(put(80_000, messages=[])).dossier
        assert other.version == stored().version + 1

    def test_a_choice_that_changed_meanwhile_is_what_counts(self, put, chosen):
        demarche = chosen(champs=[NAME, SIRET])
        fetch_dossier(put())
        long_ago = Demarche.objects.get(pk=demarche.pk)
        choose(demarche, by=journal.CODE, champs=[SIRET])
        assert list(prune(long_ago)) == [1]
        assert [champ["id"] for champ in stored().champs] == [SIRET]

    def test_less_erases_with_the_next_purge_at_the_latest(self, put, chosen):
        demarche = chosen(champs=[NAME, SIRET])
        fetch_dossier(put())
        choose(demarche, by=journal.CODE, champs=[])
        assert stored().champs
        call_command("purge_dossiers")
        dossier = stored()
        assert (dossier.champs, dossier.content_key) == (None, "")

    def test_more_is_fetched_by_the_next_refresh(self, sandbox, put, chosen):
        demarche = chosen(champs=[SIRET])
        numbers = [put(70_000 + rank) for rank in range(5)]
        list(fetch_dossiers(numbers))
        choose(demarche, by=journal.CODE, champs=[SIRET, NAME])
        sandbox.received.clear()
        Run()
        assert {len(dossier.champs) for dossier in Dossier.objects.all()} == {2}
        assert len(sandbox.received) == 1
        Run()
        assert len(sandbox.received) == 1

    def test_following_a_demarche_completes_no_other_one(self, sandbox, put, chosen):
        other = {"id": "Procedure-8", "number": 8, "title": "Bourse"}
        fetch_dossier(put(demarche=other))
        chosen(8, champs=[NAME])
        call_command("follow_demarche", "7")
        assert stored().champs is None
        Run()
        assert stored().champs

    def test_an_unreadable_content_is_not_asked_for_at_each_refresh(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        sandbox.unreadable = {put()}
        fetch_dossier(NUMBER)
        sandbox.received.clear()
        Run()
        assert not sandbox.received
        Dossier.objects.update(content_error_at=timezone.now() - timedelta(days=2))
        Run()
        assert sandbox.received

    def test_what_is_no_longer_chosen_when_the_answer_comes(self, sandbox, put, chosen):
        demarche = chosen(champs=[NAME, SIRET])
        fetch_dossier(put())
        answer = sandbox.answer

        def meanwhile(request):
            choose(Demarche.objects.get(pk=demarche.pk), by=journal.CODE, champs=[SIRET])
            connection.close()  # that of the sandbox's thread
            return answer(request)

        put(state="accepte")
        sandbox.answer = meanwhile
        try:
            fetch_dossier(NUMBER)
        finally:
            sandbox.answer = answer
        assert [champ["id"] for champ in stored().champs] == [SIRET]

    def test_what_is_chosen_while_the_answer_comes_is_asked_for_next(
        self, sandbox, put, chosen, monkeypatch
    ):
        demarche = chosen(champs=[SIRET])
        fetch_dossier(put())
        answer = sandbox.answer

        def meanwhile(request):
            choose(Demarche.objects.get(pk=demarche.pk), by=journal.CODE, champs=[NAME, SIRET])
            connection.close()  # that of the sandbox's thread
            return answer(request)

        put(state="accepte")
        monkeypatch.setattr(sandbox, "answer", meanwhile)
        fetch_dossier(NUMBER)
        assert [champ["id"] for champ in stored().champs] == [SIRET]
        assert list(incomplete(Demarche.objects.all())) == [NUMBER]

    def test_a_dossier_that_goes_to_another_demarche_leaves_its_content(self, sandbox, put, chosen):
        chosen(champs=[NAME])
        fetch_dossier(put())
        put(demarche={"id": "Procedure-8", "number": 8, "title": "Bourse"}, state="accepte")
        fetch_dossier(NUMBER)
        dossier = stored()
        assert (dossier.champs, dossier.content_key) == (None, "")

    def test_nor_is_it_found_by_it_any_more(self, sandbox, put, chosen):
        chosen(champs=[NAME], uses={NAME: ["is_searchable"]})
        fetch_dossier(put())
        assert ChampValue.objects.exists()
        put(demarche={"id": "Procedure-8", "number": 8, "title": "Bourse"}, state="accepte")
        fetch_dossier(NUMBER)
        assert not ChampValue.objects.exists()

    def test_a_form_in_one_piece_leaves_out_no_former_question(self, sandbox, put, chosen):
        lines = [Line(400 + rank, "Text", f"Question {rank}") for rank in range(30)]
        revision = {"annotationDescriptors": []}
        sandbox.revisions[7] = revision | {"champDescriptors": [one.descriptor for one in lines]}
        read_form(7)
        sandbox.revisions[7] = revision | {
            "champDescriptors": [one.descriptor for one in lines[1:]]
        }
        demarche = chosen(champs=[champ_id(400 + rank) for rank in range(1, 30)])
        assert demarche.champs.get(ds_id=champ_id(400)).gone_since
        fetch_dossier(put(form=lines, values={400 + rank: "Oui" for rank in range(30)}))
        asked = [r.body["query"] for r in sandbox.received if "Champ" in r.body["query"]]
        assert asked
        assert not [query for query in asked if " champs {" in query.split("fragment Champ")[0]]
        assert champ_id(400) not in sent(sandbox)

    def test_the_journal_tells_who_changed_it(self, chosen):
        chosen(champs=[NAME, SIRET], demandeur=True)
        entry = JournalEntry.objects.get(action="choose")
        assert (entry.demarche_number, entry.detail) == (7, "champs=0>2,demandeur=yes")

    def test_a_new_revision_keeps_the_choice(self, sandbox, chosen):
        demarche = chosen(champs=[NAME, SIRET])
        lines = [Line(302, "Siret", "Le SIRET"), Line(309, "Text", "Nouvelle question")]
        sandbox.revisions[7] = {
            "champDescriptors": [line.descriptor for line in lines],
            "annotationDescriptors": [],
        }
        read_form(7)
        rows = {row.ds_id: row for row in demarche.champs.all()}
        assert rows[SIRET].label == "Le SIRET"
        assert rows[SIRET].is_kept
        assert rows[NAME].gone_since
        assert not rows[champ_id(309)].is_kept
        assert rows[champ_id(309)].first_read_at > rows[SIRET].first_read_at


class TestChanges:
    def test_a_change_names_its_champs(self, put, chosen):
        chosen(champs=[NAME, AMOUNT], instruction=True)
        fetch_dossier(put())
        told = []

        def receiver(sender, fields, **_):
            told.append(fields)

        dossier_changed.connect(receiver)
        put(values=VALUES | {303: 5000}, labels=[{"name": "Urgent", "color": "pink_macaron"}])
        assert fetch_dossier(NUMBER).changed
        dossier_changed.disconnect(receiver)
        assert told == [{"champs", f"champs.{AMOUNT}", "labels"}]
        detail = JournalEntry.objects.filter(action="fetch").latest("pk").detail
        assert detail == "champs,labels"

    def test_labels_are_learnt_by_a_full_refresh(self, sandbox, put, chosen):
        chosen(instruction=True)
        fetch_dossier(put())
        put(labels=[{"name": "Urgent", "color": "pink_macaron"}])
        Run("--full")
        assert stored().instruction["labels"] == [{"name": "Urgent", "color": "pink_macaron"}]

    def test_a_hidden_champ_leaves_the_mirror(self, sandbox, put, chosen):
        chosen(champs=[NAME, SIRET])
        fetch_dossier(put())
        sandbox.dossiers[NUMBER]["champs"] = answers(SHORT_FORM[:1], VALUES)
        fetch_dossier(NUMBER)
        assert [champ["id"] for champ in stored().champs] == [NAME]


class TestIndex:
    def found(self, champ, text):
        rows = ChampValue.objects.filter(champ=champ, text__startswith=text)
        return set(rows.values_list("dossier__number", flat=True))

    @pytest.fixture
    def searchable(self, chosen):
        demarche = chosen(champs=[NAME, SIRET, AMOUNT])
        demarche.champs.update(is_searchable=True)
        choose(demarche, by=journal.CODE)
        return demarche

    def test_parts_of_answers(self, put, searchable):
        fetch_dossier(put(values=VALUES | {301: "Commune de l’Épine-aux-Bois"}))
        for text in ("commune", "epine aux", "bois"):
            assert self.found(NAME, text) == {NUMBER}
        assert self.found(SIRET, "21280134800018") == {NUMBER}
        [amount] = ChampValue.objects.filter(champ=AMOUNT, number__range=(4000, 4301))
        assert amount.dossier.number == NUMBER

    def test_it_follows_the_answers(self, put, searchable):
        fetch_dossier(put())
        put(values=VALUES | {301: "Commune de Chartres"}, state="accepte")
        fetch_dossier(NUMBER)
        assert self.found(NAME, "chartres") == {NUMBER}
        assert not self.found(NAME, "dreux")
        assert ChampValue.objects.filter(champ=SIRET, is_whole=True, text__startswith="2").exists()

    def test_it_goes_with_the_choice(self, put, searchable):
        fetch_dossier(put())
        choose(searchable, by=journal.CODE, champs=[SIRET])
        list(prune(searchable))
        assert not ChampValue.objects.exclude(champ=SIRET).exists()

    def test_it_is_made_anew(self, put, chosen):
        demarche = chosen(champs=[NAME])
        fetch_dossier(put())
        assert not ChampValue.objects.exists()
        demarche.champs.filter(ds_id=NAME).update(is_searchable=True)
        choose(demarche, by=journal.CODE)
        list(prune(demarche, reindex=True))
        assert self.found(NAME, "dreux") == {NUMBER}
