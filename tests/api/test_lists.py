"""The lists of the REST API: pages, filters, and what a consumer's copy is built on."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from dsintegration.api.errors import SENTENCES
from dsintegration.mirror import epoch
from dsintegration.models import Demarche, Dossier, Platform, PurgedDossier
from tests.factories import DemarcheFactory, DossierFactory

pytestmark = pytest.mark.django_db

LIST = "/api/v1/dossiers/"
PURGED = "/api/v1/purged/"


def get(client, url=LIST, **params):
    response = client.get(url, params)
    assert response.status_code == 200, response.content
    return response.json()


def pages(client, url=LIST, **params):
    page = get(client, url, **params)
    while True:
        yield page["results"]
        if page["next"] is None:
            return
        page = get(client, page["next"])


def numbers(rows) -> list[int]:
    return [row["number"] for row in rows]


def walk(client, url=LIST, **params) -> list[int]:
    return [number for rows in pages(client, url, **params) for number in numbers(rows)]


@pytest.fixture
def demarche(db):
    return DemarcheFactory(number=901)


class TestShape:
    def test_an_item(self, api, settings, demarche):
        settings.DS_SITE_URL = "https://demarche.example.org"
        moment = datetime(2026, 3, 2, 9, 15, 41, 500, tzinfo=UTC)
        DossierFactory(
            number=12345,
            demarche=demarche,
            state="en_instruction",
            usager_email="camille@example.org",
            date_depot=moment,
            version=8123,
            messages_count=3,
            last_message_at=moment,
            last_message_author="usager",
            changed_at=moment,
        )
        assert get(api(can_read_personal_data=True)) == {
            "epoch": epoch.current(),
            "next": None,
            "results": [
                {
                    "number": 12345,
                    "ds_id": "Dossier-12345",
                    "state": "en_instruction",
                    "state_label": "En instruction",
                    "demarche": {
                        "number": 901,
                        "ds_id": "Procedure-901",
                        "title": "Demande d'aide",
                    },
                    "usager_email": "camille@example.org",
                    "date_depot": "2026-03-02T09:15:41.000500Z",
                    "date_passage_en_construction": None,
                    "date_passage_en_instruction": None,
                    "date_traitement": None,
                    "date_derniere_modification": "2026-01-01T00:00:00Z",
                    "date_expiration": None,
                    "date_suppression_par_usager": None,
                    "messages_count": 3,
                    "last_message_at": "2026-03-02T09:15:41.000500Z",
                    "last_message_author": "usager",
                    "url": "https://demarche.example.org/dossiers/12345",
                    "version": 8123,
                    "changed_at": "2026-03-02T09:15:41.000500Z",
                    "fetched_at": "2026-01-01T00:00:00Z",
                    "checked_at": "2026-01-01T00:00:00Z",
                    "absent_since": None,
                }
            ],
        }

    def test_without_the_right_to_personal_data(self, api):
        DossierFactory(usager_email="camille@example.org", messages_count=2)
        client = api()
        item = get(client)["results"][0]
        assert "usager_email" not in item
        assert item["messages_count"] == 2
        assert b"camille" not in client.get(LIST).content

    def test_nothing_yet(self, api):
        assert get(api()) == {"epoch": epoch.current(), "next": None, "results": []}

    def test_statements_whatever_the_page(self, api, django_assert_num_queries, demarche):
        client, limited = api(), api(demarches=[demarche])
        DossierFactory.create_batch(5, demarche=demarche)
        for caller, statements in ((client, 2), (limited, 3)):
            get(caller)
            # Two more each: the epoch, the journal.
            with django_assert_num_queries(statements + 2):
                assert len(get(caller)["results"]) == 5
            with django_assert_num_queries(3 + 2):
                get(caller, state="en_construction", demarche=901, after_version=0)


class TestPages:
    @pytest.fixture
    def rows(self, demarche):
        """Thirty dossiers; those of each ten share a version."""
        return [
            DossierFactory(number=1000 + rank, version=1 + rank // 10, demarche=demarche)
            for rank in range(30)
        ]

    @pytest.mark.parametrize("size", [1, 3, 7, 10, 29, 30, 31, 200])
    def test_each_row_once(self, api, rows, size):
        client = api()
        expected = [row.number for row in rows]
        assert walk(client, page_size=size, after_version=0) == expected
        assert walk(client, page_size=size) == expected[::-1]

    def test_no_empty_page_at_the_end(self, api, rows):
        assert [len(page) for page in pages(api(), page_size=10)] == [10, 10, 10]

    def test_after_version_is_exclusive(self, api, rows):
        client = api()
        assert walk(client, after_version=1, page_size=4) == [row.number for row in rows[10:]]
        assert walk(client, after_version=3) == []
        assert walk(client, after_version=2**63 - 1) == []

    def test_filters_stay_on_the_next_pages(self, api, rows):
        Dossier.objects.filter(number__lt=1015).update(state="accepte")
        found = walk(api(), state="accepte", page_size=2, after_version=1)
        assert found == [1010, 1011, 1012, 1013, 1014]

    def test_next_is_an_address_to_follow_as_it_is(self, api, rows):
        parts = urlsplit(get(api(), page_size=2, state="en_construction")["next"])
        assert (parts.scheme, parts.netloc, parts.path) == ("http", "testserver", LIST)
        assert "page_size=2" in parts.query
        assert "state=en_construction" in parts.query

    def test_the_default_page(self, api, demarche):
        DossierFactory.create_batch(101, demarche=demarche)
        page = get(api())
        assert (len(page["results"]), page["next"] is None) == (100, False)

    def test_rows_that_change_while_one_pages_oldest_first(self, api, rows):
        """What moves comes again, with its new version; nothing else twice, and nothing is lost."""
        walking = pages(api(), after_version=0, page_size=7)
        seen = [(row["number"], row["version"]) for row in next(walking)]
        for version, row in enumerate((rows[0], rows[7], rows[29]), start=50):
            Dossier.objects.filter(pk=row.pk).update(version=version)
        seen += [(row["number"], row["version"]) for page in walking for row in page]
        assert len(seen) == len(set(seen)) == 31
        assert dict(seen)[1000] == 50
        assert sorted(dict(seen)) == [row.number for row in rows]
        assert [version for _, version in seen] == sorted(version for _, version in seen)

    def test_rows_that_change_while_one_pages_newest_first(self, api, rows):
        walking = pages(api(), page_size=7)
        seen = numbers(next(walking))
        Dossier.objects.filter(number__in=[1029, 1028]).update(version=50)
        seen += [row["number"] for page in walking for row in page]
        assert len(seen) == len(set(seen)) == 30

    def test_the_row_at_the_edge_disappears(self, api, rows):
        page = get(api(), page_size=5, after_version=0)
        Dossier.objects.filter(number=page["results"][-1]["number"]).delete()
        client = api()
        assert numbers(get(client, page["next"])["results"])[:2] == [1005, 1006]

    def test_a_whole_demarche_changes_at_once(self, api, rows, demarche):
        """Thousands may share one version: a copy goes on from wherever it was."""
        walking = pages(api(), after_version=0, page_size=4)
        seen = numbers(next(walking))
        Dossier.objects.filter(demarche=demarche).update(version=60)
        seen += [row["number"] for page in walking for row in page]
        assert seen == [1000, 1001, 1002, 1003, *[row.number for row in rows]]


class TestFilters:
    @pytest.fixture
    def rows(self, demarche):
        at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        return [
            DossierFactory(number=1, state="accepte", date_depot=at, demarche=demarche),
            DossierFactory(number=2, state="refuse", date_depot=at + timedelta(days=1)),
            DossierFactory(number=3, state="en_pause", date_depot=None, absent_since=at),
        ]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", [1, 2, 3]),
            ("state=accepte", [1]),
            ("state=accepte&state=refuse", [1, 2]),
            ("state=en_pause", [3]),
            ("state=inconnu", []),
            ("state=inconnu&state=refuse", [2]),
            ("state=accepte,refuse", []),
            ("demarche=901", [1]),
            ("demarche=902", []),
            ("demarche=2147483647", []),
            ("absent=true", [3]),
            ("absent=false", [1, 2]),
            ("deposited_after=2026-03-01T12:00:00Z", [1, 2]),
            ("deposited_after=2026-03-01T12:00:01Z", [2]),
            ("deposited_after=2026-03-01T12:00:00.000001Z", [2]),
            ("deposited_before=2026-03-01T12:00:00Z", []),
            ("deposited_before=2026-03-01T12:00:01Z", [1]),
            ("deposited_after=2026-03-01", [1, 2]),
            ("deposited_after=2026-03-02", [2]),
            ("deposited_before=2026-03-02", [1]),
            ("deposited_after=2026-03-01T13:00:00%2B01:00", [1, 2]),
            ("deposited_after=2026-03-01T13:00:01%2B01:00", [2]),
            # A + that nobody encoded.
            ("deposited_after=2026-03-01T13:00:00+01:00", [1, 2]),
            ("deposited_after=2026-03-01T13:00:01+01:00", [2]),
            ("deposited_after=2026-03-01T13:00:01+0100", [2]),
            ("deposited_after=2026-03-01T13:00+01:00", [1, 2]),
            ("deposited_before=2026-03-01%2013:00:01+01:00", [1]),
            ("deposited_after=2026-03-01T07:00:01-05:00", [2]),
            ("deposited_after=2026-03-01&deposited_before=2026-03-02&state=accepte", [1]),
            ("deposited_after=2026-03-02&deposited_before=2026-03-01", []),
        ],
    )
    def test_what_is_found(self, api, rows, query, expected):
        found = get(api(), f"{LIST}?{query}")["results"]
        assert sorted(numbers(found)) == expected

    @pytest.mark.parametrize("path", [LIST, PURGED])
    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("stat=accepte", "stat"),
            ("STATE=accepte", "STATE"),
            ("format=json", "format"),
            ("page=2", "page"),
            ("offset=2", "offset"),
            ("limit=2", "limit"),
            ("after_version=", "after_version"),
            ("after_version=-1", "after_version"),
            ("after_version=1.0", "after_version"),
            ("after_version=a", "after_version"),
            ("after_version=1&after_version=2", "after_version"),
            ("after_version=9223372036854775808", "after_version"),
            ("after_version=" + "9" * 5000, "after_version"),
            ("after_version=%D9%A1", "after_version"),
            ("page_size=0", "page_size"),
            ("page_size=201", "page_size"),
            ("page_size=-1", "page_size"),
            ("page_size=ten", "page_size"),
            ("page_size=", "page_size"),
            ("cursor=", "cursor"),
            ("cursor=abc", "cursor"),
            ("cursor=é", "cursor"),
            ("cursor=" + "f" * 24, "cursor"),  # beyond what the database holds
            ("cursor=" + "0" * 23, "cursor"),
            ("cursor=" + "0" * 24 + "&cursor=" + "1" * 24, "cursor"),
        ],
    )
    def test_refused_by_name(self, api, path, query, name):
        response = api().get(f"{path}?{query}")
        assert response.status_code == 400
        body = response.json()
        assert body.keys() == {"detail", "code"}
        assert body["code"] == "invalid"
        assert body["detail"].startswith(f"{name} : ")

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("state=", "state"),
            ("state=accepte&state=", "state"),
            ("state=a%00b", "state"),
            ("state=" + "a" * 256, "state"),
            ("demarche=x", "demarche"),
            ("demarche=0", "demarche"),
            ("demarche=2147483648", "demarche"),
            ("demarche=1&demarche=2", "demarche"),
            ("demarche=+1", "demarche"),
            ("absent=yes", "absent"),
            ("absent=1", "absent"),
            ("absent=", "absent"),
            ("deposited_after=yesterday", "deposited_after"),
            ("deposited_after=2026-02-30", "deposited_after"),
            ("deposited_after=2026-03-01T10:00:00", "deposited_after"),  # which hour is it?
            ("deposited_after=2026-03-01T25:00:00Z", "deposited_after"),
            ("deposited_after=0001-01-01T00:00:00%2B01:00", "deposited_after"),
            ("deposited_before=1772366400", "deposited_before"),
            ("deposited_before=2026-W09-7", "deposited_before"),
            ("deposited_before=01/03/2026", "deposited_before"),
        ],
    )
    def test_refused_by_name_on_dossiers(self, api, query, name):
        response = api().get(f"{LIST}?{query}")
        assert response.status_code == 400
        assert response.json()["detail"].startswith(f"{name} : ")

    def test_each_fault_is_named(self, api):
        detail = api().get(f"{LIST}?stat=x&page=2").json()["detail"]
        assert "stat : " in detail
        assert "page : " in detail
        detail = api().get(f"{LIST}?absent=x&demarche=x").json()["detail"]
        assert "absent : " in detail
        assert "demarche : " in detail

    def test_more_parameters_than_django_reads(self, api):
        response = api().get(LIST + "?" + "&".join(["state=a"] * 1001))
        assert (response.status_code, response.json()["code"]) == (400, "invalid")


class TestPurged:
    @pytest.fixture
    def rows(self, demarche):
        at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        return [
            PurgedDossier.objects.create(
                number=number, demarche_number=901 + number % 2, version=version, purged_at=at
            )
            for number, version in ((1, 5), (2, 7), (3, 7), (4, 9))
        ]

    def test_in_order_of_versions(self, api, rows):
        client = api()
        assert walk(client, PURGED, after_version=5, page_size=1) == [2, 3, 4]
        assert walk(client, PURGED) == [4, 3, 2, 1]
        assert get(client, PURGED)["results"][0] == {
            "number": 4,
            "version": 9,
            "purged_at": "2026-03-01T12:00:00Z",
        }

    def test_for_the_demarches_of_the_key(self, api, rows):
        client = api(demarches=[Demarche.objects.get(number=901)])
        assert walk(client, PURGED, after_version=0) == [2, 4]
        assert walk(api(demarches=[]), PURGED) == []

    def test_filters_of_dossiers_are_not_its_own(self, api):
        response = api().get(PURGED, {"state": "accepte"})
        assert (response.status_code, response.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("url", [LIST, PURGED])
class TestEpoch:
    def test_a_copy_of_before_the_restoration_begins_anew(self, api, url):
        client = api()
        before = get(client, url)["epoch"]
        assert get(client, url, after_version=7, epoch=before)["epoch"] == before
        call_command("after_restore")
        answer = client.get(url, {"after_version": 7, "epoch": before})
        assert (answer.status_code, answer.json()) == (
            409,
            {"detail": SENTENCES["epoch_changed"], "code": "epoch_changed"},
        )
        after = get(client, url, after_version=0)["epoch"]
        assert after != before
        assert get(client, url, after_version=7, epoch=after)["results"] == []

    def test_next_bears_it(self, api, url, demarche):
        DossierFactory.create_batch(2, demarche=demarche)
        for number in (1, 2):
            PurgedDossier.objects.create(
                number=number, demarche_number=901, version=number, purged_at=datetime.now(UTC)
            )
        client = api()
        following = get(client, url, after_version=0, page_size=1)["next"]
        assert f"epoch={epoch.current()}" in following
        assert client.get(following).status_code == 200
        call_command("after_restore")
        assert client.get(following).status_code == 409


def test_after_restore(capsys):
    DossierFactory(version=41)
    Platform.objects.update(version=41, instance="https://demarche.example.org")
    before = Platform.objects.get()
    call_command("after_restore")
    after = Platform.objects.get()
    assert (after.version, after.instance) == (41 + epoch.STEP, before.instance)
    assert after.epoch != before.epoch
    assert Dossier.objects.get().version == 41
    out = capsys.readouterr().out
    assert after.epoch in out
    assert str(after.version) in out
