"""Copies of files that are kept here: once, verified, and gone with the last file that has them."""

import io
import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from dsintegration import journal
from dsintegration.files.copies import drop_copies, keep_files
from dsintegration.models import Dossier, File, FileCopy
from dsintegration.purging import Tally, purge
from dsintegration.sandbox.storage import file
from dsintegration.services import fetch_dossier
from tests.factories import dossier_answer, message_answer
from tests.files.conftest import NUMBER, give
from tests.refresh.command import Run

pytestmark = pytest.mark.django_db

PAPER = b"%PDF-1.4\n a paper"


@pytest.fixture(autouse=True)
def kept(settings, tmp_path):
    settings.DS_FILES = "kept"
    settings.STORAGES = settings.STORAGES | {
        "dsintegration": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "kept", "base_url": None},
        }
    }
    return tmp_path / "kept"


def stored(folder) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def opened(api):
    client = api(can_read_personal_data=True)

    def get(row: File):
        return client.get(f"/api/v1/dossiers/{row.dossier.number}/files/{row.pk}/")

    return get


class TestKeeping:
    def test_once_and_nameless(self, attach, sandbox, kept):
        attach("secret.pdf", content=PAPER)
        assert keep_files() == 1
        assert keep_files() == 0
        assert stored(kept) == [PAPER]
        assert len(sandbox.storage.asked) == 1
        [path] = [path for path in kept.rglob("*") if path.is_file()]
        assert "secret" not in str(path)

    def test_the_same_bytes_are_taken_once(self, sandbox, kept):
        other = NUMBER + 1
        sandbox.dossiers[other] = dossier_answer(
            other,
            messages=[
                message_answer(
                    "m2", attachments=[file("b.pdf", "2026-01-01T00:00:00Z", content=PAPER)]
                )
            ],
        )
        give(sandbox, file("a.pdf", "2026-01-01T00:00:00Z", content=PAPER))
        fetch_dossier(NUMBER)
        fetch_dossier(other)
        assert keep_files() == 1
        assert len(stored(kept)) == len(sandbox.storage.asked) == 1

    @pytest.mark.parametrize(
        "fields",
        [
            {"virusScanResult": "pending"},
            {"fault": "md5"},
            {"fault": "down"},
            {"byteSizeBigInt": str(10**9)},
        ],
    )
    def test_what_is_not_given_is_not_kept(self, attach, sandbox, kept, fields):
        attach(content=PAPER, **fields)
        assert keep_files() == 0
        assert stored(kept) == []
        asked = len(sandbox.storage.asked)
        assert keep_files() == 0  # not again before a while
        assert len(sandbox.storage.asked) == asked

    def test_one_that_fails_costs_the_others_nothing(self, sandbox, kept):
        give(
            sandbox,
            file("a.pdf", "2026-01-01T00:00:00Z", content=PAPER),
            file("b.pdf", "2026-01-01T00:00:00Z", content=b"x", fault="md5"),
        )
        fetch_dossier(NUMBER)
        assert keep_files() == 1
        assert stored(kept) == [PAPER]

    def test_only_where_it_is_wanted(self, attach, settings, kept, sandbox):
        settings.DS_FILES = "on_demand"
        attach()
        assert keep_files() == 0
        assert not sandbox.storage.asked

    def test_a_platform_that_is_down_ends_it(self, attach, sandbox, pauses, kept):
        row = attach()
        sandbox.replies[NUMBER] = sandbox.replies[50301]
        assert keep_files() == 0
        row.refresh_from_db()
        assert row.next_copy_at is None

    def test_bytes_do_not_stay_without_a_row(self, attach, kept, monkeypatch):
        def save(copy, **_):
            raise OperationalError

        monkeypatch.setattr(FileCopy, "save", save)
        attach(content=PAPER)
        with pytest.raises(OperationalError):
            keep_files()
        assert not [path for path in kept.rglob("*") if path.is_file()]

    def test_a_storage_that_fails_is_said_in_the_logs(self, attach, settings, logs):
        attach("secret.pdf")
        settings.STORAGES = settings.STORAGES | {
            "dsintegration": {
                "BACKEND": "django.core.files.storage.FileSystemStorage",
                "OPTIONS": {"location": "/proc/nowhere"},
            }
        }
        assert keep_files() == 0
        [line] = [r.getMessage() for r in logs.records if r.levelno == logging.ERROR]
        assert line.startswith("keep_files: ended early, ")


class TestServing:
    def test_the_bytes_do_not_come_again(self, attach, sandbox, opened):
        row = attach(content=PAPER)
        keep_files()
        assert opened(row).getvalue() == PAPER
        assert len(sandbox.storage.asked) == 1

    @pytest.mark.parametrize("reply", [50301, 20003, 40301])
    def test_while_the_platform_is_down(self, attach, sandbox, opened, reply):
        row = attach(content=PAPER)
        keep_files()
        sandbox.replies[NUMBER] = sandbox.replies[reply]
        assert opened(row).getvalue() == PAPER

    def test_while_the_dossier_is_in_the_bin(self, attach, sandbox, opened):
        row = attach(content=PAPER)
        keep_files()
        del sandbox.dossiers[NUMBER]
        assert opened(row).getvalue() == PAPER

    @pytest.mark.parametrize(("verdict", "status"), [("infected", 502), ("pending", 503)])
    def test_not_against_the_last_verdict(self, attach, sandbox, opened, verdict, status):
        row = attach(content=PAPER)
        keep_files()
        File.objects.update(scan=verdict)
        sandbox.replies[NUMBER] = sandbox.replies[50301]
        assert opened(row).status_code == status

    def test_not_once_the_platform_withdrew_it(self, attach, sandbox, opened):
        row = attach(content=PAPER)
        keep_files()
        give(sandbox, file("rib.pdf", "2026-03-02T09:15:40+01:00", content=PAPER)
             | {"virusScanResult": "infected"})  # fmt: skip
        assert opened(row).status_code == 502
        give(sandbox)
        assert opened(row).status_code == 404

    @pytest.mark.parametrize("damage", ["changed", "lost"])
    def test_a_damaged_copy_is_taken_anew(self, attach, sandbox, opened, kept, damage):
        row = attach(content=PAPER)
        keep_files()
        [path] = [path for path in kept.rglob("*") if path.is_file()]
        if damage == "changed":
            path.write_bytes(PAPER[::-1])
        else:
            path.unlink()
        assert opened(row).getvalue() == PAPER
        assert len(sandbox.storage.asked) == 2
        assert keep_files() == 1
        assert stored(kept) == [PAPER]


class TestDropping:
    def test_with_the_last_file_that_has_the_bytes(self, attach, sandbox, kept):
        attach(content=PAPER)
        keep_files()
        assert drop_copies() == 0
        give(sandbox)
        fetch_dossier(NUMBER)
        assert drop_copies() == 1
        assert stored(kept) == []
        assert not FileCopy.objects.exists()

    def test_with_the_purge_of_the_dossier(self, attach, kept):
        attach(content=PAPER)
        keep_files()
        Dossier.objects.update(erased_at=timezone.now())
        purge(Tally(), by=journal.CODE)
        assert (stored(kept), File.objects.count()) == ([], 0)

    def test_all_of_them_once_nothing_is_to_be_kept(self, attach, kept, settings):
        attach(content=PAPER)
        keep_files()
        settings.DS_FILES = "on_demand"
        call_command("purge_dossiers", stdout=io.StringIO())
        assert stored(kept) == []

    def test_bytes_that_are_gone_already_do_not_hold_it_up(self, attach, kept):
        attach(content=PAPER)
        keep_files()
        storages["dsintegration"].delete(FileCopy.objects.get().name)
        File.objects.all().delete()
        assert drop_copies() == 1


@pytest.mark.django_db(transaction=True)
class TestRefreshing:
    def test_a_refresh_keeps_them(self, attach, kept):
        attach(content=PAPER)
        Run()
        assert stored(kept) == [PAPER]

    def test_what_no_dossier_has_any_more_goes(self, sandbox, attach, kept):
        attach(content=PAPER)
        Run()
        give(sandbox)
        Run("--full")
        assert stored(kept) == []

    def test_a_verdict_is_learnt_after_minutes(self, sandbox, attach, kept):
        """It moves no date, and the list of the démarche says that nothing moved."""
        at = datetime.now(UTC).isoformat()
        give(sandbox, file("rib.pdf", at, virusScanResult="pending", content=PAPER))
        fetch_dossier(NUMBER)
        give(sandbox, file("rib.pdf", at, content=PAPER))
        Run()
        assert File.objects.get().scan == "pending"  # a moment ago
        Dossier.objects.update(fetched_at=timezone.now() - timedelta(minutes=6))
        Run()
        assert File.objects.get().scan == "safe"
        assert stored(kept) == [PAPER]

    def test_one_that_waits_for_days_is_left_to_the_whole_refresh(self, sandbox, attach):
        give(sandbox, file("rib.pdf", "2026-03-02T09:15:40+01:00", virusScanResult="pending"))
        fetch_dossier(NUMBER)
        Dossier.objects.update(fetched_at=timezone.now() - timedelta(minutes=6))
        sandbox.received.clear()
        Run()
        assert "getDossier" not in str([request.body for request in sandbox.received])
