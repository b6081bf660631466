"""The sandbox's dossiers: invented, but such as they are met.

Good dossiers have numbers from 12345 on. Troubles have the number of their HTTP status, then 01 or
02. Any other number is unknown. The table for people is in the README.
"""

from base64 import b64encode
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dsintegration.sandbox.forms import ANNOTATIONS, ANSWERS, FORM, RIB, answers
from dsintegration.sandbox.papers import paper
from dsintegration.sandbox.storage import Content, file

PARIS = ZoneInfo("Europe/Paris")

PLATFORM = "contact@demarche.numerique.gouv.fr"
FORMER_PLATFORM = "contact@demarches-simplifiees.fr"
AGENT = "instruction.urbanisme@agglo.example.org"
EXPERT = "architecte.conseil@expert.example.org"

DEMARCHES = {
    901: "Demande de subvention pour une manifestation culturelle",
    902: "Autorisation d'occupation temporaire du domaine public",
    903: "Aide à la rénovation énergétique d'un logement",
}

# Whom usagers may ask; a démarche need not have one.
SERVICES = {
    901: {"nom": "Service culture", "organisme": "Ville d'Exemple"},
    902: {"nom": "Direction de l'urbanisme", "organisme": "Agglomération d'Exemple"},
    903: None,
}


def _id(kind: str, key: int) -> str:
    return b64encode(f"{kind}-{key}".encode()).decode()


def _at(moment: str | None) -> str | None:
    """`2026-03-02 09:15:41` in Paris, as the platform writes it."""
    if moment is None:
        return None
    return datetime.fromisoformat(moment).replace(tzinfo=PARIS).isoformat()


def _message(
    email: str,
    created_at: str,
    body: str,
    discarded_at: str | None = None,
    files: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """`files`: what sets each apart, by its name."""
    at = _at(created_at)
    return {
        "email": email,
        "createdAt": at,
        "body": body,
        "discardedAt": _at(discarded_at),
        "attachments": [
            file(filename, str(at), **fields) for filename, fields in (files or {}).items()
        ],
    }


def _automatic(
    number: int, created_at: str, subject: str, text: str, sender: str = PLATFORM
) -> Any:
    """What the platform writes at each change of état: HTML, the subject in front."""
    body = (
        f"<p>[Votre dossier n° {number} {subject}]</p><p>Bonjour,</p><p>{text}</p>"
        "<p>Bonne journée,<br>Le service instructeur</p>"
    )
    return _message(sender, created_at, body)


def _filed(number: int, created_at: str, sender: str = PLATFORM) -> Any:
    return _automatic(
        number,
        created_at,
        "a bien été déposé",
        f"Votre dossier n° {number} <strong>a bien été déposé</strong>. Vous pouvez encore le "
        f'modifier depuis <a href="https://sandbox.example.org/dossiers/{number}">votre espace</a>',
        sender,
    )


def _dossier(
    number: int,
    state: str,
    demarche: int,
    usager: str,
    depot: str,
    messages: list[dict[str, Any]],
    *,
    construction: str | None = None,
    instruction: str | None = None,
    traitement: str | None = None,
    modification: str | None = None,
    expiration: str | None = None,
    suppression: str | None = None,
    correction: str | None = None,
    usager_id: str | None = None,
) -> dict[str, Any]:
    moments = [_at(depot), _at(construction), _at(instruction), _at(traitement), _at(suppression)]
    last_moment = max(
        moment for moment in [*moments, *(m["createdAt"] for m in messages)] if moment
    )
    return {
        "id": _id("Dossier", number),
        "number": number,
        "state": state,
        "dateDepot": _at(depot),
        "datePassageEnConstruction": _at(construction or depot),
        "datePassageEnInstruction": _at(instruction),
        "dateTraitement": _at(traitement),
        "dateDerniereModification": _at(modification) or last_moment,
        "dateExpiration": _at(expiration),
        "dateSuppressionParUsager": _at(suppression),
        "dateDerniereCorrectionEnAttente": _at(correction),
        "usager": {"id": usager_id or _id("User", number), "email": usager},
        "demarche": {
            "id": _id("Procedure", demarche),
            "number": demarche,
            "title": DEMARCHES[demarche],
            "service": SERVICES[demarche],
        },
        "messages": [
            {"id": _id("Commentaire", number * 1000 + rank), **message}
            for rank, message in enumerate(messages, start=1)
        ],
    }


BUDGET = paper("Budget prévisionnel 2026", "Total : 3 900,00 euros")
QUOTE = paper("Devis n° 2026-118", "Isolation des combles : 4 230,00 euros TTC")
PLAN = Content(paper("Plan de situation"), 24 * 1024 * 1024)


def _all_dossiers() -> list[dict[str, Any]]:
    camille, farid, asso = (
        "camille.durand@example.org",
        "farid.benali@example.org",
        "bureau@lescordesvocales.example.org",
    )
    return [
        _dossier(
            12345,
            "en_instruction",
            901,
            asso,
            "2026-09-07 10:02:11",
            [
                _filed(12345, "2026-09-07 10:02:11"),
                _message(
                    AGENT,
                    "2026-09-14 15:41:08",
                    "Bonjour,\n\nMerci pour votre demande. Il manque le budget prévisionnel signé "
                    "et le RIB de l'association.\n\nCordialement,\nLe service culture",
                ),
                _message(
                    asso,
                    "2026-09-15 08:12:45",
                    "Bonjour,\nvoici le budget signé (total < 4 000 € & cofinancé par la commune). "
                    "Le RIB est joint aussi.\nBien à vous",
                    files={
                        "Budget prévisionnel 2026.pdf": {"content": BUDGET},
                        "rib.pdf": {"content": RIB},
                    },
                ),
                _automatic(
                    12345,
                    "2026-09-21 09:30:00",
                    "va être examiné",
                    "Votre dossier a bien été reçu et <strong>va maintenant être examiné</strong>.",
                ),
                _message(
                    AGENT,
                    "2026-10-02 11:20:37",
                    "Bonjour, votre dossier passera en commission le 4 décembre.",
                ),
            ],
            instruction="2026-09-21 09:30:00",
        ),
        _dossier(12346, "en_construction", 902, farid, "2026-11-02 18:47:03", []),
        _dossier(
            12347,
            "en_construction",
            903,
            camille,
            "2026-10-12 12:00:00",
            [
                _filed(12347, "2026-10-12 12:00:00"),
                _message(
                    camille,
                    "2026-10-20 21:05:30",
                    "Bonsoir, mon artisan demande quand les travaux peuvent commencer. Merci !",
                    files={
                        "devis.pdf": {"content": QUOTE, "virusScanResult": "pending"},
                        "plan de situation.pdf": {"content": PLAN},
                        "photo.jpg": {"contentType": "image/jpeg", "virusScanResult": "infected"},
                        "abîmé.pdf": {"fault": "md5"},
                    },
                ),
            ],
        ),
        _dossier(
            12348,
            "accepte",
            902,
            farid,
            "2026-02-03 09:00:00",
            [
                _filed(12348, "2026-02-03 09:00:00"),
                _automatic(
                    12348,
                    "2026-04-15 16:20:00",
                    "a été accepté",
                    "Votre dossier <strong>a été accepté</strong> le 15 avril 2026.",
                ),
            ],
            instruction="2026-02-10 08:30:00",
            traitement="2026-04-15 16:20:00",
            expiration="2027-04-15 16:20:00",
        ),
        _dossier(
            12349,
            "refuse",
            903,
            "sam.petit@example.org",
            "2026-01-20 14:10:00",
            [
                _filed(12349, "2026-01-20 14:10:00"),
                _automatic(
                    12349,
                    "2026-06-01 10:00:00",
                    "a été refusé",
                    "Votre dossier a été refusé : les travaux étaient déjà commencés.",
                ),
            ],
            instruction="2026-02-01 09:00:00",
            traitement="2026-06-01 10:00:00",
            expiration="2027-06-01 10:00:00",
        ),
        _dossier(
            12350,
            "sans_suite",
            901,
            asso,
            "2026-03-30 17:25:00",
            [
                _filed(12350, "2026-03-30 17:25:00"),
                _message(asso, "2026-05-04 09:00:00", "Bonjour, la manifestation est annulée."),
                _automatic(
                    12350,
                    "2026-05-05 11:00:00",
                    "a été classé sans suite",
                    "Votre dossier a été classé sans suite, à votre demande.",
                ),
            ],
            instruction="2026-04-07 09:00:00",
            traitement="2026-05-05 11:00:00",
            expiration="2027-05-05 11:00:00",
        ),
        _dossier(
            12351,
            "en_instruction",
            903,
            "sam.petit@example.org",
            "2025-12-05 08:00:00",
            [
                _filed(12351, "2025-12-05 08:00:00"),
                _automatic(12351, "2026-03-16 10:00:00", "a été refusé", "Il manque un devis."),
                _message(
                    "sam.petit@example.org",
                    "2026-03-18 19:42:00",
                    "Le devis était bien joint, en page 3. Pouvez-vous revoir votre décision ?",
                ),
                _automatic(
                    12351, "2026-03-20 09:15:00", "est réexaminé", "Votre dossier est réexaminé."
                ),
            ],
            instruction="2026-03-20 09:15:00",
            traitement="2026-03-16 10:00:00",
        ),
        _dossier(
            12352,
            "en_construction",
            903,
            camille,
            "2026-10-05 09:15:41",
            [
                _filed(12352, "2026-10-05 09:15:41"),
                _message(AGENT, "2026-10-06 11:02:57", "", discarded_at="2026-10-06 11:05:00"),
                _message(
                    AGENT,
                    "2026-10-06 11:06:10",
                    "Veuillez ignorer mon message précédent : il concernait un autre dossier.",
                ),
            ],
        ),
        _dossier(
            12353,
            "en_instruction",
            902,
            farid,
            "2026-08-24 07:55:00",
            [
                _filed(12353, "2026-08-24 07:55:00"),
                _message(farid, "2026-09-01 12:30:00", "", files={"devis.pdf": {"content": QUOTE}}),
            ],
            instruction="2026-08-31 09:00:00",
        ),
        _dossier(
            12354,
            "en_construction",
            901,
            "zoe.o'neil+asso@example.org",
            "2026-11-10 13:37:00",
            [
                _filed(12354, "2026-11-10 13:37:00"),
                _message(
                    "zoe.o'neil+asso@example.org",
                    "2026-11-11 11:11:11",
                    "Super 🎉👩‍🎨 !\r\nÉcrivez à <zoe@example.org> <script>alert('ici')</script>"
                    '<img src=x onerror="alert(1)"> & à bientôt\N{NO-BREAK SPACE}!',
                ),
                _message(
                    PLATFORM,
                    "2026-11-12 08:00:00",
                    '<p>[Rappel <script>alert(1)</script>]</p><p onclick="alert(1)">Bonjour '
                    '<a href="javascript:alert(1)">cliquez</a>, <strong>merci</strong>.</p>',
                ),
            ],
        ),
        _dossier(
            12355,
            "accepte",
            903,
            camille,
            "2025-06-02 10:00:00",
            [_filed(12355, "2025-06-02 10:00:00")],
            instruction="2025-06-10 10:00:00",
            traitement="2025-09-01 15:00:00",
            expiration="2026-12-01 15:00:00",
            suppression="2026-07-14 20:00:00",
        ),
        _dossier(
            12356,
            "en_instruction",
            902,
            farid,
            "2026-05-18 09:00:00",
            [
                _filed(12356, "2026-05-18 09:00:00"),
                *(
                    _message(
                        farid if rank % 2 else AGENT,
                        f"2026-{6 + rank // 25:02}-{1 + rank % 25:02} 10:{rank:02}:00",
                        f"Échange n° {rank} au sujet de l'emplacement de la terrasse.",
                    )
                    for rank in range(60)
                ),
            ],
            instruction="2026-05-26 09:00:00",
        ),
        _dossier(
            12357,
            "en_instruction",
            903,
            camille,
            "2026-07-06 09:15:41",
            [
                _filed(12357, "2026-07-06 09:15:41"),
                _message("associee@invitee.example.org", "2026-07-12 08:30:00", "Voici le devis."),
                _message(EXPERT, "2026-07-12 08:30:00", "Pouvez-vous transmettre les plans ?"),
                _message(AGENT, "2026-07-15 09:00:00", "Merci, bien reçu."),
            ],
            instruction="2026-07-10 14:30:12",
        ),
        _dossier(
            12358,
            "refuse",
            902,
            "ancien.compte@example.org",
            "2024-03-01 10:00:00",
            [
                _filed(12358, "2024-03-01 10:00:00", FORMER_PLATFORM),
                _message("ancien.compte@example.org", "2024-03-05 10:00:00", "Où en est-on ?"),
            ],
            instruction="2024-03-10 14:30:12",
            traitement="2024-04-02 09:41:00",
            expiration="2029-04-02 09:41:00",
            suppression="2026-06-30 03:10:00",
            usager_id="<deleted>",
        ),
    ]


DOSSIERS: dict[int, dict[str, Any]] = {dossier["number"]: dossier for dossier in _all_dossiers()}

# One of them tells all that a dossier can tell.
DOSSIERS[12345] |= {
    "champs": answers(FORM, ANSWERS),
    "annotations": answers(ANNOTATIONS, ANSWERS),
    "demandeur": {
        "__typename": "PersonneMorale",
        "id": _id("Etablissement", 1),
        "siret": "44011762001530",
        "entreprise": {"raisonSociale": "LES CORDES VOCALES"},
        "association": {"titre": "Les Cordes vocales"},
    },
    "deposeParUnTiers": True,
    "prenomMandataire": "Sam",
    "nomMandataire": "Exemple",
    "groupeInstructeur": {"number": 2, "label": "Culture"},
    "instructeurs": [{"email": AGENT}],
    "labels": [{"name": "À compléter", "color": "yellow_tournesol"}],
    "traitements": [
        {
            "event": "depose",
            "dateTraitement": _at("2026-09-07 10:02:11"),
            "emailAgentTraitant": None,
        },
        {
            "event": "passe_en_instruction",
            "dateTraitement": _at("2026-09-21 14:30:12"),
            "emailAgentTraitant": AGENT,
        },
    ],
}

# Numbers that the token has no right to.
FORBIDDEN = {20002}


def _error(message: str, code: str, **more: Any) -> dict[str, Any]:
    return {"message": message, **more, "extensions": {"code": code}}


# Number → the fields of the answer (server.Reply) that comes instead of a dossier.
REPLIES: dict[int, dict[str, Any]] = {
    20003: {
        "body": {
            "errors": [
                _error("Timeout on Dossier.messages", "timeout", path=["dossier", "messages"])
            ],
            "data": None,
        }
    },
    20004: {
        "body": "<!doctype html><html><title>Portail</title><h1>Connexion au réseau</h1></html>",
        "content_type": "text/html; charset=utf-8",
    },
    40101: {
        "status": 401,
        "body": {"errors": [_error("Token expired", "unauthorized")], "data": None},
    },
    40301: {
        "status": 403,
        "body": {
            "errors": [
                _error(
                    "Request issued from a forbidden network. Add 203.0.113.45/32 to your allowed "
                    "adresses in your /profil",
                    "forbidden",
                )
            ],
            "data": None,
        },
    },
    42901: {
        "status": 429,
        "body": "Trop de demandes. Patientez un peu.\n",
        "content_type": "text/plain",
        "headers": {"RateLimit-Remaining": "0"},
        "reset_in": 2,
    },
    50001: {
        "status": 500,
        "body": {
            "errors": [_error("Internal Server Error", "internal_server_error")],
            "data": None,
        },
    },
    50201: {
        "status": 502,
        "body": "<html><head><title>502 Bad Gateway</title></head></html>",
        "content_type": "text/html",
    },
    50301: {
        "status": 503,
        "body": {"error": "Le site est actuellement en maintenance."},
    },
}
