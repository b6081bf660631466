"""What others wrote, in a terminal: it is neither obeyed nor turns what stands beside it around."""

import io

import pytest
from django.core.management import CommandError, call_command

from dsintegration.models import Demarche
from dsintegration.services import fetch_dossier
from tests.factories import dossier_answer

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 70_000
MARKS = "\x07\x1b\x9b\u061c\u200e\u200f\u202a\u202e\u2066\u2067\u2069"


@pytest.mark.parametrize(
    ("words", "shows_title"),
    [
        (["fetch_dossier", f"{NUMBER}"], True),
        (["follow_demarche", "7"], True),
        (["follow_demarche", "7", "--stop"], False),
        (["setup_demarche", "7"], True),
        (["setup_demarche", "7", "--report"], True),
        (["refresh_dossiers", "--full"], False),
        (["check_ds", f"{NUMBER}"], False),
        (["purge_dossiers", "--dry-run"], False),
    ],
)
def test_each_command(sandbox, words, shows_title, capsys):
    demarche = {"id": "Procedure-7", "number": 7, "title": f"Aide {MARKS}31m"}
    usager = {"id": "VXNlci0x", "email": f"u{MARKS}@example.org"}
    sandbox.dossiers[NUMBER] = dossier_answer(NUMBER, demarche=demarche, usager=usager)
    fetch_dossier(NUMBER)
    Demarche.objects.update(followed=True)
    out = io.StringIO()
    try:
        call_command(*words, stdout=out, stderr=out)
    except CommandError as err:
        out.write(str(err))
    shown = out.getvalue() + "".join(capsys.readouterr())
    assert ("Aide \ufffd" in shown) is shows_title
    assert [mark for mark in MARKS if mark in shown] == []
