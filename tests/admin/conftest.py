"""Who comes into the admin."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client


@pytest.fixture
def enter(db):
    """A browser of somebody with the rights that are named, who sees all démarches."""

    def log_in(name, *codenames, everywhere=True, **fields):
        user = User.objects.create_user(name, is_staff=True, **fields)
        names = [*codenames, *(["view_all_demarches"] if everywhere else [])]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user)
        client.user = user
        return client

    return log_in


@pytest.fixture
def reader(enter):
    return enter("reader", "view_dossier", "view_message", "fetch_dossier", "settle_dossier")


def text_of(response) -> str:
    """What a person reads."""
    page = re.sub(r"<(head|script|style).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    page = re.sub(r"</?(a|span|strong|time)\b[^>]*>", "", page)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def numbers_of(response) -> list[int]:
    return [row.number for row in response.context["cl"].result_list]
