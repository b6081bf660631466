"""Some thousands of invented dossiers, as a préfecture has them, for trials of the admin.

Always the same ones for the same day: numbers of eight digits, long titles that begin alike.
"""

import random
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from dsintegration.sandbox.forms import SHORT_FORM, answers
from dsintegration.sandbox.scenarios import AGENT, PLATFORM

COUNT = 3000
FIRST = 24_500_000

_GRANT = "Dotation d'équipement des territoires ruraux (DETR) 2026 – Arrondissement de"
TITLES = {
    87210: f"{_GRANT} Dreux et de Châteaudun",
    87211: f"{_GRANT} Chartres et de Nogent-le-Rotrou",
    87305: "Fonds vert 2026 – Rénovation énergétique des bâtiments publics des collectivités",
    87306: "Fonds vert 2026 – Renaturation des villes, des villages et des cours d'école (volet 2)",
    88120: "Demande d'autorisation d'organiser une manifestation sportive sur la voie publique",
    88121: "Déclaration d'une manifestation sans caractère sportif de plus de 1 500 personnes",
    88342: "Fonds pour le développement de la vie associative (FDVA 2) – Fonctionnement et projets",
    88343: "Fonds pour le développement de la vie associative (FDVA 1) – Formation des bénévoles",
    90417: "Agrément des gardes particuliers : première demande ou renouvellement de l'agrément",
    90418: "Demande d'autorisation d'un système de vidéoprotection dans un lieu ouvert au public",
    91555: "Politique de la ville – Appel à projets annuel du contrat « Quartiers 2030 » de Dreux",
    91556: "Subvention au titre de la prévention de la délinquance et de la radicalisation (FIPD)",
}
_FIRST_NAMES = ("camille", "farid", "mairie", "contact", "sam", "bureau", "secretariat", "ines")
_LAST_NAMES = ("durand", "benali", "petit", "martin", "moreau", "garcia", "lefevre", "nguyen")
_TOWNS = ("Dreux", "Châteaudun", "Nogent-le-Rotrou", "Saint-Rémy-sur-Avre", "L'Épine-aux-Bois")
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_PLACES = ("exemple", "asso", "commune", "club", "interco")
_QUESTIONS = (
    "Bonjour, pouvez-vous me dire à quelle date la subvention sera versée ? La commune doit "
    "régler l'entreprise avant la fin du mois.",
    "Bonjour,\nvous trouverez le plan de financement corrigé. Le RIB suit demain.\nCordialement",
    "Bonjour, je n'arrive pas à joindre la délibération : le fichier dépasse la taille permise. "
    "Voir https://www.example.org/deliberations/2026/conseil-municipal/2026-09-14/piece-12.pdf",
    "Sans réponse de votre part, je me permets de revenir vers vous. Merci d'avance.",
)
_ANSWERS = (
    "Bonjour,\n\nil manque le devis signé et l'attestation de non-commencement.\n\nLe service",
    "Bonjour, votre dossier est complet. Il passera en commission le mois prochain.",
)


def crowd(count: int = COUNT, today: datetime | None = None) -> dict[int, dict[str, Any]]:
    """By number, as the platform would give them."""
    now = today or datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    chance = random.Random(2026)  # noqa: S311  # the same ones each time
    return {
        number: _dossier(number, now, chance)
        for number in sorted(chance.sample(range(FIRST, FIRST + 40 * count), count))
    }


def _dossier(number: int, now: datetime, chance: random.Random) -> dict[str, Any]:
    demarche = chance.choice(list(TITLES))
    usager = f"{chance.choice(_FIRST_NAMES)}.{chance.choice(_LAST_NAMES)}{number % 97}"
    usager = f"{usager}@{chance.choice(_PLACES)}.example.org"
    filed = now - timedelta(days=chance.randrange(1, 420), minutes=chance.randrange(1440))
    states = ["en_construction", "en_instruction", "accepte", "refuse", "sans_suite"]
    state = chance.choices(states, (25, 35, 28, 6, 6))[0]
    moment = filed
    messages = [_automatic(number, filed, "a bien été déposé")]

    def later(most: int) -> datetime:
        nonlocal moment
        moment = min(moment + timedelta(hours=chance.randrange(1, most * 24)), now)
        return moment

    instructed = later(20) if state != "en_construction" else None
    if instructed:
        messages.append(_automatic(number, instructed, "va être examiné"))
    for _ in range(chance.choices((0, 1, 3, 9), (40, 35, 20, 5))[0]):
        asks = chance.random() < 0.45
        who, texts = (usager, _QUESTIONS) if asks else (AGENT, _ANSWERS)
        messages.append(_message(number, len(messages), who, later(12), chance.choice(texts)))
    decided = later(30) if state in states[2:] else None
    if decided:
        messages.append(_automatic(number, decided, "a été traité"))
        if chance.random() < 0.12:
            messages.append(_message(number, len(messages), usager, later(9), _QUESTIONS[0]))
    correction = moment if state == "en_construction" and chance.random() < 0.15 else None
    for rank, message in enumerate(messages):
        message["id"] = _id("Commentaire", number * 100 + rank)
    return {
        "id": _id("Dossier", number),
        "number": number,
        "state": state,
        "dateDepot": filed.isoformat(),
        "datePassageEnConstruction": filed.isoformat(),
        "datePassageEnInstruction": instructed and instructed.isoformat(),
        "dateTraitement": decided and decided.isoformat(),
        "dateDerniereModification": moment.isoformat(),
        "dateExpiration": None,
        "dateSuppressionParUsager": None,
        "dateDerniereCorrectionEnAttente": correction and correction.isoformat(),
        "usager": {"id": _id("User", number), "email": usager},
        "demarche": {
            "id": _id("Procedure", demarche),
            "number": demarche,
            "title": TITLES[demarche],
        },
        "messages": messages,
        **_content(number, state, filed, instructed, decided),
    }


def _content(
    number: int,
    state: str,
    filed: datetime,
    instructed: datetime | None,
    decided: datetime | None,
) -> dict[str, Any]:
    """What the form, its people and its history say; with a chance of its own, so that what else
    is invented stays the same.
    """
    chance = random.Random(number)  # noqa: S311
    town = chance.choice(_TOWNS)
    siret, name = f"{chance.randrange(10**13, 10**14)}", f"Commune de {town}"
    values = {
        301: name,
        302: (siret, name.upper()),
        303: chance.randrange(500, 90_000) + chance.choice((0, 0.5)),
        304: _day(filed + timedelta(days=chance.randrange(30, 300))),
        305: (f"28{chance.randrange(1, 400):03}", town, "28100", "28"),
    }
    history: list[tuple[str, datetime, str | None]] = [("depose", filed, None)]
    if instructed:
        history.append(("passe_en_instruction", instructed, AGENT))
    if decided:
        event = {"accepte": "accepte", "refuse": "refuse"}.get(state, "classe_sans_suite")
        history.append((event, decided, AGENT))
    return {
        "champs": answers(SHORT_FORM, values),
        "demandeur": {
            "__typename": "PersonneMorale",
            "id": siret,
            "siret": siret,
            "entreprise": {"raisonSociale": name.upper()},
        },
        "groupeInstructeur": {"number": 2, "label": "Arrondissement de Dreux"},
        "instructeurs": [{"email": AGENT}] if instructed else [],
        "labels": chance.choice(([], [], [{"name": "À compléter", "color": "yellow_tournesol"}])),
        "motivation": "Dossier conforme au règlement." if state == "accepte" else None,
        "traitements": [
            {"event": event, "dateTraitement": at.isoformat(), "emailAgentTraitant": agent}
            for event, at, agent in history
        ],
    }


def _day(moment: datetime) -> tuple[str, str]:
    return moment.date().isoformat(), f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def _message(number: int, rank: int, email: str, at: datetime, body: str) -> dict[str, Any]:
    return {
        "id": _id("Commentaire", number * 100 + rank),
        "email": email,
        "createdAt": at.isoformat(),
        "body": body,
        "discardedAt": None,
        "attachments": [],
    }


def _automatic(number: int, at: datetime, subject: str) -> dict[str, Any]:
    body = (
        f"<p>[Votre dossier n° {number} {subject}]</p><p>Bonjour,</p><p>Votre dossier n° {number} "
        f"<strong>{subject}</strong>.</p><p>Bonne journée</p>"
    )
    return _message(number, 0, PLATFORM, at, body)


def _id(kind: str, key: int) -> str:
    return b64encode(f"{kind}-{key}".encode()).decode()
