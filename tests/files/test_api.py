"""Bytes of files through the REST API: whole and verified, or a sentence."""

import gc
import json

import pytest

from dsintegration import files, journal
from dsintegration.models import Action, File, JournalEntry
from dsintegration.platform import downloads
from dsintegration.sandbox.storage import FAULTS, Content
from tests.factories import DossierFactory
from tests.files.conftest import NUMBER, give

pytestmark = pytest.mark.django_db

PAPER = b"%PDF-1.4\n" + bytes(range(256)) * 4000


def address(file: File, number: int = NUMBER) -> str:
    return f"/api/v1/dossiers/{number}/files/{file.pk}/"


@pytest.fixture
def reader(api):
    return api(can_read_personal_data=True)


def entries() -> list[tuple[str, str, int]]:
    rows = JournalEntry.objects.filter(action=Action.FILE).order_by("pk")
    return list(rows.values_list("outcome", "detail", "dossier_number"))


class TestGiven:
    def test_whole_and_saved(self, attach, reader):
        file = attach("Relevé d'identité.pdf", content=PAPER)
        response = reader.get(address(file))
        assert response.status_code == 200
        assert response.getvalue() == PAPER
        assert response["Content-Type"] == "application/pdf"
        assert response["Content-Length"] == str(len(PAPER))
        assert response["Content-Disposition"].startswith("attachment; filename")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"] == "private, no-cache"
        assert entries() == [("shown", f"file={file.pk}", NUMBER)]

    def test_the_storage_sees_no_token_and_the_platform_is_asked_for_no_more(
        self, attach, reader, sandbox
    ):
        reader.get(address(attach())).getvalue()
        [asked] = sandbox.storage.asked
        assert not {"Authorization", "Cookie", "Referer"} & set(asked)
        [request] = sandbox.received
        assert request.body["variables"] == {"number": NUMBER, "place": "m1"}
        assert "email" not in request.body["query"]

    def test_no_name_and_no_address_in_the_logs(self, attach, reader, sandbox, logs):
        file = attach("secret.pdf")
        reader.get(address(file)).getvalue()
        told = "\n".join(logs.messages) + json.dumps(
            [r.__dict__ for r in logs.records], default=str
        )
        for private in ("secret.pdf", "temp_url_sig", "/storage/"):
            assert private not in told
        assert f"open_file {NUMBER}" in told

    def test_an_etag_saves_the_way(self, attach, reader, sandbox):
        file = attach()
        first = reader.get(address(file))
        first.getvalue()
        sandbox.received.clear()
        again = reader.get(address(file), headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert not sandbox.received
        assert [outcome for outcome, *_ in entries()] == ["shown", "unchanged"]

    def test_a_verdict_of_now_counts(self, attach, reader):
        file = attach(scan_when_stored="pending")
        assert file.scan == "pending"
        assert reader.get(address(file)).getvalue()

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("../../etc/passwd", "_.._etc_passwd"),
            ('a"b\r\nX: y.pdf', "a_b__X_ y.pdf"),
            ("\u202efdp.exe", "_fdp.exe"),
            ("..", "fichier"),
            ("é" * 300 + ".pdf", "é" * 146 + ".pdf"),
        ],
    )
    def test_names_lead_nowhere(self, attach, reader, name, kept):
        file = attach(name)
        response = reader.get(address(file))
        assert response.getvalue()
        assert file.safe_name == kept
        assert "\r" not in response["Content-Disposition"]
        assert response["Content-Disposition"].startswith("attachment;")

    @pytest.mark.parametrize("kind", ["", "application/pdf\r\nX: y", "not a type", "image/"])
    def test_a_type_that_is_none(self, attach, reader, kind):
        response = reader.get(address(attach(contentType=kind)))
        assert response.getvalue()
        assert response["Content-Type"] == "application/octet-stream"
        assert "X" not in response.headers

    @pytest.mark.parametrize("accepted", ["application/pdf", "image/*;q=0.1", "?"])
    def test_whatever_accept_says(self, attach, reader, accepted):
        headers = {"Accept": accepted}
        assert reader.get(address(attach()), headers=headers).getvalue()
        response = reader.get(address(attach(fault="md5")), headers=headers)
        assert response.json()["code"] == "upstream_invalid_response"

    def test_an_empty_file(self, attach, reader):
        assert reader.get(address(attach(content=b""))).getvalue() == b""


class TestNotGiven:
    @pytest.mark.parametrize(
        ("fields", "status", "reason"),
        [
            ({"virusScanResult": "pending"}, 503, "file_pending"),
            ({"virusScanResult": "infected"}, 502, "file_infected"),
            ({"virusScanResult": "integrity_error"}, 502, "file_infected"),
            ({"virusScanResult": "ailleurs"}, 502, "file_infected"),
            ({"fault": "md5"}, 502, "file_differs"),
            ({"fault": "endless"}, 502, "file_differs"),
            ({"fault": "cut"}, 503, "storage"),
            ({"fault": "redirect"}, 502, "file_elsewhere"),
            ({"fault": "private"}, 502, "file_elsewhere"),
            ({"fault": "type"}, 502, "file_differs"),
            ({"fault": "gone"}, 404, "file_gone"),
            ({"fault": "down"}, 503, "storage"),
            ({"byteSizeBigInt": str(201 * 1024 * 1024)}, 502, "file_too_large"),
            ({"byteSizeBigInt": "5"}, 502, "file_differs"),
            ({"checksum": ""}, 502, "file_differs"),
            ({"checksum": "é"}, 502, "file_differs"),
            ({"url": "http://static.example.org/rib.pdf"}, 502, "file_elsewhere"),
            ({"url": "https://127.0.0.2@static.example.org/"}, 502, "file_elsewhere"),
            ({"url": "https://169.254.169.254/latest/"}, 502, "file_elsewhere"),
            ({"url": "https://[::ffff:10.0.0.1]/x"}, 502, "file_elsewhere"),
            ({"url": "file:///etc/passwd"}, 502, "file_elsewhere"),
            ({"url": "https://"}, 502, "file_elsewhere"),
            ({"url": "https://[::1/x"}, 502, "file_elsewhere"),
        ],
    )
    def test_a_sentence_and_no_byte(self, attach, reader, sandbox, fields, status, reason):
        file = attach(content=PAPER, **fields)
        response = reader.get(address(file))
        assert response.status_code == status
        assert PAPER[:9] not in response.content
        assert response.json()["detail"].startswith(f"Dossier n° {NUMBER} : ")
        assert ("Retry-After" in response) is (status == 503)
        [(outcome, detail, _)] = entries()
        assert outcome.endswith(reason)
        assert detail == f"file={file.pk}"
        assert not [asked for asked in sandbox.storage.asked if "Authorization" in asked]

    def test_one_that_drips_ends_in_time(self, attach, reader, monkeypatch):
        monkeypatch.setattr(downloads, "BUDGET", 0.5)
        file = attach(content=PAPER, fault="drip")
        assert reader.get(address(file)).status_code == 503

    def test_one_that_left_the_platform(self, attach, reader, sandbox):
        file = attach()
        give(sandbox)
        response = reader.get(address(file))
        assert (response.status_code, response.json()["code"]) == (404, "file_not_found")
        del sandbox.dossiers[NUMBER]
        response = reader.get(address(file))
        assert (response.status_code, response.json()["code"]) == (404, "file_not_found")
        assert File.objects.exists()  # a GET changes nothing here

    def test_a_platform_that_is_down(self, attach, reader, sandbox):
        file = attach()
        sandbox.replies[NUMBER] = sandbox.replies[50301]
        response = reader.get(address(file))
        assert (response.status_code, response.json()["code"]) == (503, "upstream_unavailable")

    def test_every_fault_of_the_sandbox_is_tried(self):
        [tried] = [
            mark
            for mark in TestNotGiven.test_a_sentence_and_no_byte.pytestmark
            if mark.name == "parametrize"
        ]
        faults = {fields.get("fault") for fields, *_ in tried.args[1]} - {None}
        assert faults | {"drip"} == set(FAULTS)


class TestWhoMay:
    def test_without_the_right_as_what_does_not_exist(self, attach, api, reader):
        file = attach()
        refused = api().get(address(file))
        unknown = reader.get(f"/api/v1/dossiers/{NUMBER}/files/{file.pk + 1}/")
        huge = reader.get(f"/api/v1/dossiers/{NUMBER}/files/{'9' * 30}/")
        assert refused.json() == unknown.json() == huge.json()
        assert (refused.status_code, refused.json()["code"]) == (404, "file_not_found")

    def test_outside_of_its_demarches(self, attach, api):
        other = DossierFactory()
        client = api(can_read_personal_data=True, demarches=[other.demarche])
        response = client.get(address(attach()))
        assert (response.status_code, response.json()["code"]) == (404, "dossier_not_found")

    def test_by_the_number_of_another_dossier(self, attach, reader):
        other = DossierFactory()
        response = reader.get(address(attach(), other.number))
        assert (response.status_code, response.json()["code"]) == (404, "file_not_found")

    def test_none_where_files_are_off(self, attach, reader, settings, sandbox):
        file = attach()
        settings.DS_FILES = "off"
        assert reader.get(address(file)).status_code == 404
        assert not sandbox.received

    def test_it_counts_as_a_fetch(self, attach, reader, settings):
        settings.DS_API_FETCHES_PER_MINUTE = 1
        file = attach()
        assert reader.get(address(file)).getvalue()
        assert reader.get(address(file)).status_code == 429


class TestFewAtATime:
    def test_beyond_them_one_waits(self, attach, reader):
        file = attach()
        held = [reader.get(address(file)) for _ in range(files.AT_ONCE)]
        refused = reader.get(address(file))
        assert (refused.status_code, refused["Retry-After"]) == (503, str(files.PAUSE))
        for response in held:
            response.getvalue()
        assert reader.get(address(file)).getvalue()

    @pytest.mark.parametrize("fault", ["md5", "gone"])
    def test_failures_give_their_place_back(self, attach, reader, fault):
        file = attach(fault=fault)
        for _ in range(files.AT_ONCE + 1):
            assert "plusieurs fichiers" not in reader.get(address(file)).json()["detail"]

    def test_an_answer_that_nobody_closed_gives_its_place_back(self, attach):
        file = attach()
        for _ in range(files.AT_ONCE + 1):
            files.open_file(file, by=journal.CODE)
            gc.collect()

    def test_large_ones_pass_through_little_memory(self, attach, reader):
        import tracemalloc

        content = Content(b"0123456789abcdef" * 64, 60 * 1024 * 1024)
        file = attach(content=content)
        tracemalloc.start()
        try:
            response = reader.get(address(file))
            size = sum(len(chunk) for chunk in response.streaming_content)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == content.size
        assert peak < 20 * 1024 * 1024
