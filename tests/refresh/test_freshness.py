"""`manage.py check_fresh`: what its status says of the refreshes that ended, or did not."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from dsintegration.models import Demarche, Platform
from dsintegration.sandbox import Reply
from tests.refresh.command import Run

pytestmark = pytest.mark.django_db(transaction=True)


def check() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_fresh", stdout=out)
    except CommandError as err:
        return err.returncode, f"{out.getvalue()}{err}"
    return 0, out.getvalue()


def age(**hours: float) -> None:
    now = timezone.now()
    moments = {name: now - timedelta(hours=ago) for name, ago in hours.items()}
    Platform.objects.update(**moments)


def test_never_refreshed():
    status, out = check()
    assert status == 8
    assert out.count("aucun n'a jamais pris fin") == 2


def test_a_full_refresh_makes_it_fresh(sandbox, tracked):
    tracked(3)
    assert Run().status == 0
    assert check()[0] == 8  # no full one yet
    assert Run("--full").status == 0
    status, out = check()
    assert (status, out.count("✓")) == (0, 2)


@pytest.mark.parametrize("words", [["--full", "--limit=1"], ["--full", "--demarche=7"]])
def test_a_part_is_no_full_one(sandbox, tracked, words):
    tracked(3)
    assert Run(*words).status == 0
    assert check()[0] == 8


def test_one_that_the_platform_cut_short_is_none(sandbox, tracked, monkeypatch):
    tracked(3)
    monkeypatch.setattr(sandbox, "answer", lambda _: Reply(503))
    assert Run("--full").status == 5
    assert check()[0] == 8


def test_a_dossier_that_always_fails_leaves_the_others_fresh(sandbox, tracked):
    [number] = tracked(1)
    sandbox.replies[number] = Reply(body={"data": {"dossier": {"id": 7}}})
    assert Run("--full").status == 6
    assert check()[0] == 0


def test_a_followed_demarche_that_cannot_be_read(sandbox, tracked):
    """Its dossiers are fresh, asked one by one; those that are new are not here."""
    tracked(3)
    Demarche.objects.update(followed=True)
    assert Run("--full").status == 0
    assert check()[0] == 0
    sandbox.list_replies[7, "dossiers"] = Reply(504)
    Demarche.objects.update(read_until=timezone.now() - timedelta(hours=2.1))
    assert Run().status == 5
    assert Run().status == 0  # the list steps back
    status, out = check()
    assert status == 8
    assert (
        "✗ Démarches suivies dont la liste n'est pas lue, ou plus depuis longtemps : n° 7 ;" in out
    )
    Demarche.objects.update(followed=False)
    assert check()[0] == 0


def test_one_that_was_never_read(sandbox, tracked):
    tracked(1)
    Run("--full")
    Demarche.objects.update(followed=True)
    assert check()[0] == 8


@pytest.mark.parametrize(
    ("refreshed", "full", "status", "words"),
    [
        (1.9, 35.9, 0, "✓ Dernier rafraîchissement : "),
        (2.1, 35.9, 8, "il y a plus de 2 h ; vérifiez les minuteurs"),
        (1.9, 36.1, 8, "il y a plus de 36 h ; vérifiez les minuteurs"),
    ],
)
def test_how_old_it_may_be(sandbox, tracked, refreshed, full, status, words):
    tracked(1)
    age(refreshed_at=refreshed, fully_refreshed_at=full)
    found = check()
    assert found[0] == status
    assert words in found[1]


def test_the_settings_say_how_old(sandbox, tracked, settings):
    tracked(1)
    age(refreshed_at=3, fully_refreshed_at=100)
    settings.DS_FRESH_WITHIN, settings.DS_FULL_WITHIN = "4h", "5d"
    assert check()[0] == 0
    settings.DS_FRESH_WITHIN = "soon"
    with pytest.raises(CommandError) as caught:
        call_command("check_fresh")
    assert caught.value.returncode == 7
