"""The dashboard's deposits and decisions, week by week."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import DossierFactory

pytestmark = pytest.mark.django_db
ROW = r'<th scope="row">([\d/]+)</th><td>(\d+)</td><td>(\d+)</td>'


def test_of_the_last_twelve_this_one_included(admin_client):
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    first = monday - timedelta(weeks=11)
    minute = timedelta(minutes=1)
    for at in (monday, monday - minute, monday - minute, first, first - minute):
        DossierFactory(date_depot=at, date_traitement=None)
    DossierFactory(date_depot=first - timedelta(days=400), date_traitement=monday)
    page = admin_client.get("/admin/").content.decode()
    weeks = [(week, int(put), int(decided)) for week, put, decided in re.findall(ROW, page)]
    assert len(weeks) == 12
    assert [week for week in weeks if week[1:] != (0, 0)] == [
        (f"{first:%d/%m/%Y}", 1, 0),
        (f"{monday - timedelta(weeks=1):%d/%m/%Y}", 2, 0),
        (f"{monday:%d/%m/%Y}", 1, 1),
    ]
