"""Keys in the admin: who may make them, that they are shown once, and how they end."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from dsintegration.models import ApiKey
from tests.conftest import caller
from tests.factories import DemarcheFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/dsintegration/apikey/"
ADD = f"{LIST}add/"
KEY = re.compile(r"dsi_[\w-]{43}")


@pytest.fixture
def come_in(client):
    """Logs in somebody with the rights that are named; the client."""

    def log_in(*codenames):
        user = User.objects.create_user("agent", is_staff=True)
        names = [*codenames, "view_all_demarches"]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def keeper(come_in):
    return come_in("add_apikey", "change_apikey", "view_apikey")


def form(**fields):
    last_day = timezone.localdate() + timedelta(days=30)
    return {"name": "Portail", "last_day": last_day.isoformat()} | fields


def change(key) -> str:
    return f"{LIST}{key.pk}/change/"


class TestMaking:
    def test_the_key_is_shown_once(self, keeper, settings):
        response = keeper.post(ADD, form(all_demarches="on", can_fetch="on"))
        assert response.status_code == 200
        key = KEY.search(response.content.decode())[0]
        assert caller(key).get("/api/v1/dossiers/").status_code == 200
        row = ApiKey.objects.get()
        assert (row.all_demarches, row.can_fetch, row.can_read_personal_data) == (True, True, False)
        # Neither shown again, nor kept anywhere.
        assert "no-store" in response["Cache-Control"]
        for page in (LIST, change(row), "/admin/", f"{LIST}{row.pk}/history/"):
            body = keeper.get(page).content.decode()
            assert not KEY.search(body)
            assert row.digest not in body
        kept = [session.get_decoded() for session in Session.objects.all()]
        kept += list(LogEntry.objects.values())
        assert key not in repr(kept)
        assert row.digest not in repr(kept)
        assert not response.cookies.get("messages")
        assert [entry.action_flag for entry in LogEntry.objects.all()] == [1]

    def test_no_address_tells_the_key(self, keeper):
        keeper.post(ADD, form())
        row = ApiKey.objects.get()
        assert row.digest not in change(row)
        assert reverse("admin:dsintegration_apikey_change", args=[row.pk]) == change(row)

    def test_the_last_day_counts(self, keeper):
        keeper.post(ADD, form(last_day=timezone.localdate().isoformat()))
        row = ApiKey.objects.get()
        assert row.is_valid
        assert timezone.localtime(row.expiry_date).date() == timezone.localdate() + timedelta(1)
        page = keeper.get(change(row)).content.decode()
        assert f'value="{timezone.localdate().isoformat()}"' in page

    def test_a_year_is_proposed(self, keeper):
        page = keeper.get(ADD).content.decode()
        day = re.search(r'type="date" name="last_day" value="([^"]+)"', page)[1]
        days = timezone.localdate().fromisoformat(day) - timezone.localdate()
        assert 363 <= days.days <= 366

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"name": ""}, "Ce champ est obligatoire"),
            ({"last_day": ""}, "Ce champ est obligatoire"),
            ({"last_day": "2020-01-01"}, "Ce jour est passé."),
            ({"all_demarches": "on", "demarches": True}, "pas les deux"),
        ],
    )
    def test_what_is_refused(self, keeper, fields, sentence):
        if "demarches" in fields:
            fields = fields | {"demarches": [DemarcheFactory().pk]}
        response = keeper.post(ADD, form(**fields))
        assert sentence in response.content.decode()
        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize("rights", [(), ("view_apikey",), ("change_apikey", "view_apikey")])
    def test_only_with_that_right(self, come_in, rights):
        client = come_in("view_dossier", *rights)
        assert client.get(ADD).status_code == 403
        assert client.post(ADD, form()).status_code == 403
        assert not ApiKey.objects.exists()
        assert client.get(LIST).status_code == (200 if rights else 403)


class TestChanging:
    @pytest.fixture
    def row(self):
        return ApiKey.objects.create_key(name="Portail", demarches=[DemarcheFactory(number=901)])[0]

    def test_taking_the_last_demarche_off_leaves_none(self, keeper, row):
        response = keeper.post(change(row), form())
        assert response.status_code == 302
        row.refresh_from_db()
        assert not row.all_demarches
        assert not row.demarches.exists()
        assert "aucune démarche" in keeper.get(LIST).content.decode()

    def test_an_unchanged_day_keeps_the_moment(self, keeper, row):
        page = keeper.get(change(row)).content.decode()
        day = re.search(r'name="last_day" value="([^"]+)"', page)[1]
        keeper.post(change(row), form(name="Autre nom", last_day=day))
        before = row.expiry_date
        row.refresh_from_db()
        assert (row.name, row.expiry_date) == ("Autre nom", before)

    def test_revoked_for_good(self, keeper):
        row, key = ApiKey.objects.create_key(name="Portail", all_demarches=True)
        assert caller(key).get("/api/v1/dossiers/").status_code == 200
        keeper.post(change(row), form(all_demarches="on", revoked="on"))
        assert caller(key).get("/api/v1/dossiers/").status_code == 401
        assert keeper.get(change(row)).status_code == 200
        assert keeper.post(change(row), form(all_demarches="on")).status_code == 403
        row.refresh_from_db()
        assert row.revoked

    def test_none_is_deleted(self, admin_client, row):
        assert admin_client.get(f"{LIST}{row.pk}/delete/").status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        admin_client.post(LIST, chosen)
        assert ApiKey.objects.exists()

    def test_looking_is_not_changing(self, come_in, row):
        client = come_in("view_apikey")
        assert client.get(change(row)).status_code == 200
        assert client.post(change(row), form()).status_code == 403

    def test_statements_do_not_grow(self, keeper, row, django_assert_max_num_queries):
        for number in range(2, 30):
            ApiKey.objects.create_key(name=f"Clé {number}", demarches=[DemarcheFactory()])
        keeper.get(LIST)
        with django_assert_max_num_queries(8):
            assert "1 démarche" in keeper.get(LIST).content.decode()


class TestWhatThePagePromises:
    def test_the_date_as_it_was_left_ends_with_its_day(self, keeper):
        page = keeper.get(ADD).content.decode()
        day = re.search(r'name="last_day" value="([^"]+)"', page)[1]
        keeper.post(ADD, form(last_day=day))
        moment = timezone.localtime(ApiKey.objects.get().expiry_date)
        assert (moment.hour, moment.minute) == (0, 0)
        assert (moment.date() - timedelta(1)).isoformat() == day

    def test_a_reload_makes_no_second_key(self, keeper):
        page = keeper.get(ADD).content.decode()
        draw = re.search(r'name="draw" value="([^"]+)"', page)[1]
        first = keeper.post(ADD, form(draw=draw))
        digest = ApiKey.objects.get().digest
        again = keeper.post(ADD, form(draw=draw), follow=True)
        assert KEY.search(first.content.decode())
        assert not KEY.search(again.content.decode())
        assert ApiKey.objects.get().digest == digest

    def test_more_demarches_than_a_form_has_fields(self, keeper):
        rows = DemarcheFactory.create_batch(1200)
        numbers = "\n".join(str(row.number) for row in rows)
        keeper.post(ADD, form(demarches=numbers))
        key = ApiKey.objects.get()
        assert key.demarches.count() == 1200
        page = keeper.get(change(key)).content.decode()
        assert str(rows[-1].number) in page
        keeper.post(change(key), form(demarches=numbers, revoked="on"))
        key.refresh_from_db()
        assert key.revoked
        assert key.demarches.count() == 1200


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_key_whose_giver_is_gone_says_so(keeper, is_deleted):
    giver = User.objects.create_superuser("former")
    key, _ = ApiKey.objects.create_key(name="Portail", all_demarches=True, given_by=str(giver.pk))
    said = "ne donne accès à rien : le compte qui l&#x27;a donnée est fermé"
    assert said not in keeper.get(LIST).content.decode()
    if is_deleted:
        giver.delete()
    else:
        User.objects.filter(pk=giver.pk).update(is_active=False)
    assert said in keeper.get(LIST).content.decode()
    keeper.post(change(key), form(all_demarches="on"))
    assert said not in keeper.get(LIST).content.decode()


class TestContent:
    """The right to read the content of dossiers."""

    @pytest.fixture
    def reading_keeper(self, come_in):
        return come_in("add_apikey", "change_apikey", "view_apikey", "view_dossier")

    def test_is_given(self, reading_keeper):
        rights = {"can_read_personal_data": "on", "can_read_content": "on"}
        response = reading_keeper.post(ADD, form(all_demarches="on", **rights))
        assert KEY.search(response.content.decode())
        assert ApiKey.objects.get().can_read_content

    def test_needs_the_right_to_personal_data(self, reading_keeper):
        response = reading_keeper.post(ADD, form(all_demarches="on", can_read_content="on"))
        page = response.content.decode()
        assert page.count("Le contenu des dossiers est fait de données personnelles") == 1
        assert not ApiKey.objects.exists()

    def test_is_not_given_by_who_reads_none(self, keeper):
        assert b"can_read_content" not in keeper.get(ADD).content
        rights = {"can_read_personal_data": "on", "can_read_content": "on"}
        keeper.post(ADD, form(all_demarches="on", **rights))
        assert not ApiKey.objects.get().can_read_content

    def test_a_key_that_has_it_does_not_exist_for_who_reads_none(self, keeper):
        row, _ = ApiKey.objects.create_key(
            name="Entrepôt", can_read_personal_data=True, can_read_content=True
        )
        assert b"Entrep" not in keeper.get(LIST).content
        keeper.post(change(row), form(can_read_personal_data="on"))
        row.refresh_from_db()
        assert row.name == "Entrepôt"

    def test_is_taken_back(self, reading_keeper):
        row, _ = ApiKey.objects.create_key(
            name="Entrepôt", can_read_personal_data=True, can_read_content=True
        )
        reading_keeper.post(change(row), form(can_read_personal_data="on"))
        row.refresh_from_db()
        assert not row.can_read_content
