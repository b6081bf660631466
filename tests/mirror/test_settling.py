"""« Rien à répondre », said of one dossier."""

from datetime import UTC, datetime

import pytest

from dsintegration import journal
from dsintegration.mirror.settling import settle
from dsintegration.models import Dossier, JournalEntry
from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db(transaction=True)


def day(number):
    return datetime(2026, 3, number, tzinfo=UTC)


def test_of_that_dossier_alone():
    others = [DossierFactory(last_message_at=day(n), usager_spoke_last=True) for n in (1, 2, 3)]
    dossier = others.pop(1)
    assert settle(dossier.pk, day(9), journal.CODE) is True
    rows = Dossier.objects.in_bulk()
    assert rows[dossier.pk].settled_until == day(2)
    assert rows[dossier.pk].waiting_since is None
    for other in others:
        row = rows[other.pk]
        assert (row.settled_until, row.waiting_since) == (None, other.waiting_since)
    assert JournalEntry.objects.get().dossier_number == dossier.number
    assert settle(dossier.pk, day(9), journal.CODE) is False
