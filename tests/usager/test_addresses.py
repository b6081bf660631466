"""Addresses as people write and paste them; which of them are one, and what is said of the rest."""

import pytest
from django.core import mail
from django.utils import timezone

from dsintegration.models import Dossier
from dsintegration.usager.addresses import InvalidAddress, canonical, parse_address, spellings
from tests.factories import DossierFactory

PUNYCODE = "contact@xn--mairie-vry-h7a.fr"


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("andré@exemple.fr", "andré@exemple.fr"),
        ("a..b@exemple.fr", "a..b@exemple.fr"),
        (".a.@exemple.fr", ".a.@exemple.fr"),
        ("o'brien+détr@exemple.fr", "O'Brien+DÉTR@exemple.fr"),
        ("contact@mairie-évry.fr", PUNYCODE),
        (PUNYCODE, "contact@mairie-évry.fr"),
        (PUNYCODE.upper(), "contact@mairie-e\u0301vry.fr"),
        ("zo\u00e9@exemple.fr", "zoe\u0301@exemple.fr"),
        ("zoe\u0301@exemple.fr", "zo\u00e9@exemple.fr"),
        *(
            ("a@exemple.fr", typed)
            for typed in (
                "a@exemple.fr\u200b",
                "\ufeffa@exemple.fr",
                "a\u00ad@exemple\u200e.fr",
                "\u00a0a@exemple.fr\u202f",
                "mailto:a@exemple.fr",
                "MAILTO:a@exemple.fr?subject=Dossier",
                "Anne B. <a@exemple.fr>",
                "a@exemple.fr <A@exemple.fr>",
                "<a@exemple.fr>",
                "Anne <mailto:a@exemple.fr>",
                "a@exemple.fr.",
                "a@exemple.fr,",
                "« a@exemple.fr »",
            )
        ),
    ],
)
def test_one_and_the_same(stored, typed):
    assert parse_address(typed) == canonical(stored)
    assert Dossier(usager_email=stored).usager_email.lower() in spellings(parse_address(typed))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("andre@exemple.fr", "andré@exemple.fr"),
        ("contact@mairie-evry.fr", "contact@mairie-évry.fr"),
        ("a.b@exemple.fr", "ab@exemple.fr"),
        ("a@exemple.fr", "a@exemple.fr.org"),
        ("a+b@exemple.fr", "a@exemple.fr"),
        # The letters are not in the same place: another name of DNS.
        ("contact@mairie-évry.fr", "contact@xn--mairie-vry-d7a.fr"),
    ],
)
def test_two(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("marie.dubois @exemple.fr", "Il y a un blanc dans « marie.dubois @exemple.fr »"),
        ("marie@exem ple.fr", "Il y a un blanc"),
        ("usager", "Il manque le signe @"),
        ("", "Il manque le signe @"),
        ("@exemple.fr", "avant le signe @"),
        ("a@exemple", "pas complète"),
        ("a@exemple..fr", "« .. » n'est pas à sa place"),
        ("a@exem_ple.fr", "« _ » n'est pas à sa place"),
        ("a(b)@exemple.fr", "« ( » n'est pas à sa place"),
        ("a@exemple.fr/b.fr", "« / » n'est pas à sa place"),
        ("a@b@exemple.fr", "plusieurs adresses"),
        ("a@exemple.fr; b@exemple.fr", "plusieurs adresses"),
        ("b@exemple.fr <a@exemple.fr>", "plusieurs adresses"),
        ("a@exemple.fr\nBcc: b@exemple.fr", "plusieurs adresses"),
        (f"{'a' * 320}@exemple.fr", "trop longue"),
    ],
)
def test_what_is_wrong_is_said(typed, said):
    with pytest.raises(InvalidAddress, match=said.replace("(", r"\(").replace(".", r"\.")):
        parse_address(typed)


@pytest.mark.parametrize("stored", ["", "a", "@", "a@b@c", "a@xn--", "a@" + "é" * 300, "\0@\ud800"])
def test_whatever_is_stored_can_be_compared(stored):
    assert canonical(stored) == canonical(canonical(stored))
    assert spellings(stored)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("contact@mairie-évry.fr", PUNYCODE),
        (PUNYCODE, "contact@mairie-évry.fr"),
        ("a..b@exemple.fr", "a..b@exemple.fr"),
        ("andré@exemple.fr", "andre\u0301@exemple.fr"),
        ("a@exemple.fr", "Anne B. <a@exemple.fr>"),
    ],
)
def test_the_link_goes_to_the_platform_s_own_spelling(client, later, stored, typed):
    DossierFactory(number=5, usager_email=stored, fetched_at=timezone.now())
    client.post("/suivi/", {"number": 5, "email": typed})
    later.run()
    assert [message.to for message in mail.outbox] == [[stored]]
