from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from dsintegration.models import Dossier
from dsintegration.services import fetch_dossiers
from tests.factories import dossier_answer, message_answer
from tests.refresh.command import FIRST


@pytest.fixture
def tracked(sandbox, settings):
    """Puts so many dossiers on the platform and in our database, checked two hours ago."""
    settings.DS_IN_FLIGHT = 1

    def put(count, first=FIRST, *, demarche=7, hours=2):
        numbers = list(range(first, first + count))
        for number in numbers:
            sandbox.dossiers[number] = dossier_answer(
                number,
                demarche={"id": f"Procedure-{demarche}", "number": demarche, "title": "Aide"},
                messages=[message_answer(f"m{number}")],
            )
        list(fetch_dossiers(numbers))
        then = timezone.now() - timedelta(hours=hours)
        Dossier.objects.filter(number__in=numbers).update(fetched_at=then, checked_at=then)
        sandbox.received.clear()
        return numbers

    return put


@pytest.fixture
def our_clock(sandbox, monkeypatch):
    """Sets our clock apart from the platform's, which is right."""
    true = timezone.now
    sandbox.now = lambda: datetime.now(UTC)

    def set_apart(**duration):
        wrong = timedelta(**duration)
        monkeypatch.setattr("django.utils.timezone.now", lambda: true() + wrong)

    return set_apart
