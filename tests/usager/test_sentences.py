"""What the page says, by all that it follows from: somebody who reads its first screen alone must
act right.

état × who wrote last × correction × absence × hidden decision × age of the data.
"""

import itertools
import re
from datetime import timedelta
from html import unescape

import pytest
from django.core.cache import cache
from django.utils import timezone

from dsintegration.models import Platform
from dsintegration.usager.links import make_link
from tests.factories import DemarcheFactory, DossierFactory, MessageFactory
from tests.pages import check_html

pytestmark = pytest.mark.django_db

USAGER, AGENT = "usager@example.org", "agent@example.org"
ROBOT = "contact@demarche.numerique.gouv.fr"
STATES = ["en_construction", "en_instruction", "accepte", "refuse", "sans_suite", "en_pause"]
OPEN, DECIDED = STATES[:2], STATES[2:5]

# Who wrote, oldest first. `-`: deleted since.
CONVERSATIONS = {
    "nobody": [],
    "robot": [ROBOT],
    "service": [AGENT],
    "service, then robot": [AGENT, ROBOT],
    "service, then usager": [AGENT, USAGER],
    "usager": [USAGER],
    "usager, then service": [USAGER, AGENT],
    "service, deleted": [f"-{AGENT}"],
    "usager, then service, deleted": [USAGER, f"-{AGENT}"],
}
SERVICE_LAST = {"service", "service, then robot", "usager, then service"}
ANSWERED = {"service, then usager"}

WROTE = "Le service vous a écrit le"
NOTHING = "Vous n'avez rien à faire"
IF_DONE = "sinon, vous n'avez rien à faire"
ARRIVED = "Votre dossier est bien arrivé"
EXAMINES = "Le service examine votre demande"
CORRECTION = "Une correction vous est demandée"
GONE = "Votre dossier n'est plus sur Démarche numérique"
ERASED = "Votre dossier a été effacé de Démarche numérique"
TWO_WEEKS = "vous avez deux semaines"
ELSEWHERE = "et là seulement"
ANCIENT = "Ces informations sont anciennes"
SAID = {
    "accepte": "Votre demande est acceptée.",
    "refuse": "Votre demande est refusée.",
    "sans_suite": "Votre dossier est classé sans suite",
    "en_pause": "Cette page ne sait pas encore expliquer cet état.",
}
OF_A_DECISION = ["acceptée", "refusée", "sans suite", "Décidé", "recours"]

NOW = timezone.now()


def shown(client, *, state, wrote, correction, absence, hidden, age) -> str:
    """The words of the page, in their order, each blank a plain one."""
    DossierFactory._meta.model.objects.all().delete()
    decided = state in DECIDED
    dossier = DossierFactory(
        number=28711001,
        usager_email=USAGER,
        state=state,
        demarche=DemarcheFactory(decision_hidden=hidden),
        date_depot=NOW - timedelta(days=60),
        date_passage_en_construction=NOW - timedelta(days=60),
        date_passage_en_instruction=None if state == STATES[0] else NOW - timedelta(days=50),
        date_traitement=NOW - timedelta(days=1) if decided else None,
        date_derniere_correction_en_attente=NOW - timedelta(days=6) if correction else None,
        checked_at=NOW - timedelta(days=age),
        fetched_at=NOW - timedelta(days=age),
        absent_since=NOW - timedelta(days=age) if absence else None,
        erased_at=NOW if absence == "erased" else None,
    )
    for rank, email in enumerate(CONVERSATIONS[wrote]):
        MessageFactory(
            dossier=dossier,
            email=email.removeprefix("-"),
            body="" if email[0] == "-" else "Il manque votre RIB.",
            discarded_at=NOW if email[0] == "-" else None,
            created_at=NOW - timedelta(days=10 - rank),
        )
    client.post("/suivi/lien/", {"token": make_link(dossier)[1]})
    page = client.get("/suivi/28711001/").content.decode()
    if state in OPEN and not age:  # it takes its time
        check_html(page)
    main = page.split("<main")[1].split("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split()).replace(" .", ".")


@pytest.fixture(autouse=True)
def ground(sandbox, settings):
    cache.clear()
    settings.DS_SITE_URL = "https://demarche.numerique.gouv.fr"


CASES = [
    case
    for case in itertools.product(
        STATES, CONVERSATIONS, [False, True], ["", "gone", "erased"], [False, True], [0, 9]
    )
    # Gone for good or not, the rest is the same: once is enough.
    if case[3] != "erased" or not (case[2] or case[5])
]


@pytest.mark.parametrize("wrote", CONVERSATIONS)
@pytest.mark.parametrize("state", STATES)
def test_each_sentence_follows_from_what_is_known(client, state, wrote):
    for case in CASES:
        if case[:2] != (state, wrote):
            continue
        _, _, correction, absence, hidden, age = case
        words = shown(
            client,
            state=state,
            wrote=wrote,
            correction=correction,
            absence=absence,
            hidden=hidden,
            age=age,
        )
        said = {sentence for sentence in expected(*case) if sentence in words}
        assert said == expected(*case), case
        assert [s for s in forbidden(*case) if s in words] == [], case
        check_first_screen(words, *case)


def is_unreadable(state, hidden) -> bool:
    """No date tells which messages came before a decision that may have been taken."""
    return hidden and state == "en_pause"


def expected(state, wrote, correction, absence, hidden, age) -> set[str]:
    """The sentences that must be there."""
    if absence:
        return {ERASED} if absence == "erased" else {GONE, TWO_WEEKS}
    examined_elsewhere = hidden and state != "en_construction"
    said = {ANCIENT} if age else set()
    if examined_elsewhere:
        said |= {"Votre demande est passée à l'examen.", ELSEWHERE, "En instruction"}
    elif state == "en_construction":
        said |= {ARRIVED}
    elif state == "en_instruction":
        said |= {EXAMINES}
    else:
        said |= {SAID[state]}
    awaits_correction = correction and state in OPEN
    if awaits_correction:
        said |= {CORRECTION, "Il attend votre correction pour continuer."}
    if wrote in SERVICE_LAST and not is_unreadable(state, hidden):
        said |= {WROTE}
    elif state in OPEN and not (awaits_correction or hidden or age):
        said |= {IF_DONE if wrote in ANSWERED else NOTHING}
    return said


def forbidden(state, wrote, correction, absence, hidden, age) -> set[str]:
    """What would be false, or say too much."""
    wrong = {"None", "en_"}
    nothing_to_do = (
        state in OPEN and not (absence or correction or hidden or age) and wrote not in SERVICE_LAST
    )
    if not nothing_to_do:
        wrong |= {NOTHING, IF_DONE}
    elif wrote in ANSWERED:
        wrong |= {NOTHING}
    if absence:
        wrong |= {ARRIVED, EXAMINES, "En cours", "À venir", "Corriger mon dossier"}
        wrong |= {NOTHING, *SAID.values()}
    if absence == "erased":
        wrong |= {TWO_WEEKS}
    if hidden:
        wrong |= {EXAMINES, *OF_A_DECISION}
        if state != "en_construction":
            wrong |= {"En cours", "depuis le "}
    if wrote not in SERVICE_LAST or absence or is_unreadable(state, hidden):
        wrong |= {WROTE}
    if not correction or state not in OPEN:
        wrong |= {"correction"}
    return wrong


# About what a phone shows before anybody scrolls (test_usager.py in tests/e2e looks at pixels).
FIRST = 420


def check_first_screen(words, state, wrote, correction, absence, hidden, age) -> None:
    first = words[:FIRST]
    if absence:
        assert (ERASED if absence == "erased" else GONE) in first
    elif correction and state in OPEN:
        assert CORRECTION in first
    elif wrote in SERVICE_LAST and not is_unreadable(state, hidden):
        assert WROTE in first
        assert "lisez son message" in first
    elif age:
        assert ANCIENT in first


@pytest.mark.parametrize("state", [*DECIDED, "en_pause"])
@pytest.mark.parametrize("hours", [1, 26, 47])
def test_how_long_ago_it_was_checked_tells_no_hidden_decision(client, state, hours):
    case = {"wrote": "nobody", "correction": False, "absence": "", "hidden": True}
    before = shown(client, state="en_instruction", age=1 / 24, **case)
    assert shown(client, state=state, age=hours / 24, **case) == before


@pytest.mark.parametrize("state", ["en_instruction", "accepte"])
def test_nor_does_a_platform_that_is_down(client, state):
    case = {"wrote": "nobody", "correction": False, "absence": "", "hidden": True}
    Platform.objects.update(last_error_code="upstream_unavailable", last_error_reason="network")
    Platform.objects.update(last_error_at=NOW)
    words = shown(client, state=state, age=1, **case)
    assert "Voici ce que nous savions à notre dernière vérification." in words
    assert "Dernier essai" not in words


def test_a_message_after_a_hidden_decision_does_not_shine_through(client):
    """It is not shown, and so nobody is told to read it."""
    case = {"correction": False, "absence": "", "hidden": True, "age": 0}
    expected = shown(client, state="accepte", wrote="nobody", **case)
    shown(client, state="accepte", wrote="nobody", **case)
    dossier = DossierFactory._meta.model.objects.get()
    MessageFactory(dossier=dossier, email=AGENT, created_at=NOW)
    page = client.get("/suivi/28711001/").content.decode()
    assert WROTE not in page
    assert WROTE not in expected
