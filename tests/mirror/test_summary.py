"""The figures of some démarches alone."""

from datetime import UTC, datetime

import pytest

from dsintegration.mirror.summary import count
from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db


def test_some_demarches_alone():
    read = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    ours, _ = (DossierFactory(fetched_at=at) for at in read)
    alone = count().of({ours.demarche_id})
    assert alone.demarches == {ours.demarche_id: {ours.state: 1}}
    assert alone.total == 1
    assert alone.last_fetched_at == read[0]
    assert count().total == 2
    assert count().last_fetched_at == read[1]
