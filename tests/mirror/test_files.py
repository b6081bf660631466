"""The rows of files: which there are, and what they cost."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dsintegration import journal
from dsintegration.mirror.choices import choose, prune
from dsintegration.models import Dossier, File, Message
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import Reply, forms
from dsintegration.sandbox.forms import Line, champ_id
from dsintegration.services import fetch_dossier, read_form
from dsintegration.signals import dossier_changed
from tests.bench.statements import count_statements
from tests.factories import dossier_answer, file_answer, message_answer

pytestmark = pytest.mark.django_db

NUMBER = 28711001
RIB, PLAN = file_answer("rib.pdf"), file_answer("plan.pdf", byteSizeBigInt="3000000000")


@pytest.fixture
def says(sandbox):
    """Sets the messages that the platform gives: each the files of one."""

    def give(*files, number=NUMBER, **first):
        messages = [
            message_answer(f"m{rank}", attachments=list(some)) for rank, some in enumerate(files)
        ]
        messages[:1] = [messages[0] | first] if messages else []
        body = {"data": {"dossier": dossier_answer(number, messages=messages)}}
        sandbox.replies[number] = Reply(body=body)

    return give


def names() -> list[list[str]]:
    messages = Message.objects.order_by("ds_id")
    return [[file.filename for file in message.attachments] for message in messages]


@pytest.fixture
def fetched(django_capture_on_commit_callbacks):
    """Fetches; what changed, as a receiver is told."""
    told: list[set[str]] = []

    def note(fields, **_):
        told.append(set(fields))

    def fetch() -> set[str]:
        with django_capture_on_commit_callbacks(execute=True):
            fetch_dossier(NUMBER)
        return told.pop()

    dossier_changed.connect(note)
    yield fetch
    dossier_changed.disconnect(note)


class TestStored:
    def test_each_field(self, says):
        says([PLAN])
        fetch_dossier(NUMBER)
        file = File.objects.get()
        [message] = dossier_as_json(Dossier.objects.get())["messages"]
        assert message["attachments"] == [
            {
                "id": file.pk,
                "filename": "plan.pdf",
                "content_type": "application/pdf",
                "byte_size": 3_000_000_000,
                "checksum": "CY9rzUYh03PK3k6DJie09g==",
                "created_at": "2026-03-02T08:15:40Z",
                "scan": "safe",
            }
        ]
        assert (file.dossier.number, file.message.ds_id) == (NUMBER, "m0")
        assert file.created_at == datetime(2026, 3, 2, 8, 15, 40, tzinfo=UTC)

    def test_the_same_again_changes_nothing(self, says):
        says([RIB, PLAN], [])
        fetch_dossier(NUMBER)
        before = list(File.objects.order_by("pk").values())
        assert not fetch_dossier(NUMBER).changed
        assert list(File.objects.order_by("pk").values()) == before

    def test_a_file_more_is_a_change_of_the_messages(self, says, fetched):
        says([RIB], [])
        fetch_dossier(NUMBER)
        kept = File.objects.get().pk
        says([RIB], [PLAN])
        assert fetched() == {"messages"}
        assert names() == [["rib.pdf"], ["plan.pdf"]]
        assert File.objects.get(filename="rib.pdf").pk == kept
        assert Dossier.objects.get().version == 2

    def test_a_verdict_is_a_change_and_keeps_the_id(self, says, fetched):
        says([RIB | {"virusScanResult": "pending"}])
        fetch_dossier(NUMBER)
        kept = File.objects.get().pk
        says([RIB])
        assert fetched() == {"messages"}
        assert (File.objects.get().pk, File.objects.get().scan) == (kept, "safe")

    @pytest.mark.parametrize(
        "first", [{"discardedAt": "2026-03-05T00:00:00+01:00", "body": ""}, None]
    )
    def test_a_message_that_is_deleted_or_gone_loses_its_files(self, says, first):
        says([RIB], [PLAN])
        fetch_dossier(NUMBER)
        if first:
            says([RIB], [PLAN], **first)
        else:
            says()
        fetch_dossier(NUMBER)
        assert names() == ([[], ["plan.pdf"]] if first else [[], []])
        assert File.objects.count() == bool(first)

    def test_two_that_are_alike_are_two(self, says):
        says([RIB, RIB])
        fetch_dossier(NUMBER)
        assert names() == [["rib.pdf", "rib.pdf"]]

    def test_a_file_goes_with_its_message_to_another_dossier(self, says):
        says([RIB])
        fetch_dossier(NUMBER)
        kept = File.objects.get().pk
        says([RIB], number=NUMBER + 1)
        fetch_dossier(NUMBER + 1)
        assert (File.objects.get().pk, File.objects.get().dossier.number) == (kept, NUMBER + 1)

    @pytest.mark.parametrize("scan", ["ailleurs", "infected"])
    def test_a_verdict_that_we_do_not_know_is_stored_as_it_came(self, says, scan):
        says([RIB | {"virusScanResult": scan}])
        fetch_dossier(NUMBER)
        assert File.objects.get().scan == scan

    def test_names_are_stored_as_they_came(self, says):
        says([RIB | {"filename": "../\u202efdp.exe"}])
        fetch_dossier(NUMBER)
        assert File.objects.get().filename == "../\u202efdp.exe"
        assert File.objects.get().safe_name == "__fdp.exe"


class TestCost:
    """Statements, the journal apart."""

    def cost(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            fetch_dossier(NUMBER)
        return count_statements(captured)

    @pytest.mark.parametrize("count", [1, 300])
    def test_files_cost_one_statement_whatever_their_number(self, says, count):
        many = [file_answer(f"{rank}.pdf") for rank in range(count)]

        def cost_of(files) -> int:
            says(files)
            return self.cost()

        for _ in range(2):  # its démarche, and what a process looks for but once
            cost_of([])
        Dossier.objects.all().delete()
        new, unmoved = cost_of([]), cost_of([])
        says([], body="autre")
        changed = self.cost()
        Dossier.objects.all().delete()
        assert cost_of(many) == new + 1
        assert cost_of(many) == unmoved
        assert cost_of([*many, PLAN]) == changed + 1
        assert cost_of([PLAN]) == changed + 1
        assert File.objects.count() == 1
        assert cost_of([RIB]) == changed + 2
        assert (new, changed, unmoved) == (7, 6, 4)


@pytest.mark.django_db(transaction=True)
class TestOfTheForm:
    """Files of champs that are kept, and of the decision."""

    NUMBER = 70_001
    RIB, TITLE, ROWS = (champ_id(key) for key in (401, 402, 403))
    FORM = (
        Line(401, "PieceJustificative", "RIB"),
        Line(402, "Text", "Titre"),
        Line(403, "Repetition", "Devis", inner=(Line(404, "PieceJustificative", "Devis"),)),
    )

    @pytest.fixture
    def put(self, sandbox, monkeypatch):
        monkeypatch.setitem(forms.FORMS, 7, (self.FORM, ()))

        def put(rib=(RIB,), quotes=(PLAN,), **fields):
            values = {401: list(rib), 403: [{404: list(quotes)}]}
            sandbox.dossiers[self.NUMBER] = dossier_answer(
                self.NUMBER, champs=forms.answers(self.FORM, values), **fields
            )
            fetch_dossier(self.NUMBER)

        return put

    def choose(self, **chosen):
        demarche = read_form(7)
        choose(demarche, by=journal.CODE, **chosen)
        return demarche

    def told(self) -> list[tuple[str, str]]:
        return sorted(File.objects.values_list("place", "filename"))

    def test_nothing_by_default(self, sandbox, put):
        put()
        assert not File.objects.exists()

    def test_those_of_chosen_champs_and_of_the_decision(self, sandbox, put):
        self.choose(champs=[self.RIB, self.ROWS], instruction=True)
        put(motivationAttachment=file_answer("motifs.pdf"), attestation=file_answer("acte.pdf"))
        assert self.told() == [
            ("attestation", "acte.pdf"),
            ("champ", "plan.pdf"),
            ("champ", "rib.pdf"),
            ("motivation", "motifs.pdf"),
        ]
        [rib] = File.objects.filter(champ_id=self.RIB)
        assert (rib.filename, rib.message) == ("rib.pdf", None)

    def test_a_change_has_a_version_and_a_name(self, sandbox, put):
        self.choose(champs=[self.RIB], instruction=True)
        put(motivationAttachment=file_answer("motifs.pdf"))
        told = []

        def note(fields, **_):
            told.append(set(fields))

        dossier_changed.connect(note)
        try:
            put([RIB | {"checksum": "x"}], motivationAttachment=file_answer("motifs.pdf"))
            put([RIB | {"checksum": "x"}])
        finally:
            dossier_changed.disconnect(note)
        assert told == [{"champs"}, {"motivation"}]
        assert self.told() == [("champ", "rib.pdf")]

    def test_choosing_less_erases(self, sandbox, put):
        demarche = self.choose(champs=[self.RIB, self.ROWS], instruction=True)
        put(motivationAttachment=file_answer("motifs.pdf"))
        choose(demarche, by=journal.CODE, champs=[self.ROWS], instruction=False)
        list(prune(demarche))
        assert self.told() == [("champ", "plan.pdf")]
        assert len(Dossier.objects.get().file_marks.split()) == 1
        choose(demarche, by=journal.CODE, champs=[])
        list(prune(demarche))
        assert self.told() == []

    def test_what_is_fetched_before_it_is_erased_has_none(self, sandbox, put):
        demarche = self.choose(champs=[self.RIB])
        put()
        assert self.told() == [("champ", "rib.pdf")]
        choose(demarche, by=journal.CODE, champs=[])
        put()
        assert self.told() == []
        assert Dossier.objects.get().file_marks == ""

    def test_choosing_less_while_it_is_asked_for(self, sandbox, put, monkeypatch):
        """What comes is more than is chosen now: the rest is not stored."""
        demarche = self.choose(champs=[self.RIB, self.ROWS], instruction=True, demandeur=True)
        whole = sandbox.answer

        def choose_less(request):
            choose(
                demarche, by=journal.CODE, champs=[self.ROWS], instruction=False, demandeur=False
            )
            connection.close()
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", choose_less)
        put(motivationAttachment=file_answer("motifs.pdf"))
        assert self.told() == [("champ", "plan.pdf")]
        dossier = Dossier.objects.get()
        assert [champ["id"] for champ in dossier.champs] == [self.ROWS]
        assert (dossier.instruction, dossier.demandeur) == (None, None)

    def test_choosing_less_of_the_form_while_it_is_asked_for(self, sandbox, put, monkeypatch):
        demarche = self.choose(champs=[self.RIB], instruction=True)
        whole = sandbox.answer

        def choose_less(request):
            choose(demarche, by=journal.CODE, champs=[])
            connection.close()
            return whole(request)

        monkeypatch.setattr(sandbox, "answer", choose_less)
        put(motivationAttachment=file_answer("motifs.pdf"))
        assert self.told() == [("motivation", "motifs.pdf")]
        assert Dossier.objects.get().instruction

    def test_a_file_that_cannot_be_read_costs_the_content_alone(self, sandbox, put):
        self.choose(champs=[self.RIB])
        put()
        put([RIB | {"byteSizeBigInt": "many"}])
        dossier = Dossier.objects.get()
        assert dossier.content_error_reason == "unexpected"
        assert self.told() == [("champ", "rib.pdf")]
