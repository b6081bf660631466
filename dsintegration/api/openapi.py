"""What the schema says of each address, beside what is read off serializers and filters."""

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from django.urls import include, path, reverse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, patched_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from dsintegration.api.errors import SENTENCES
from dsintegration.api.serializers import (
    DossierItemSerializer,
    DossierSerializer,
    ErrorSerializer,
    PurgedDossierSerializer,
)
from dsintegration.exceptions import DSAccessDenied, DSInvalidResponse, DSUnavailable, Reason
from dsintegration.numbers import MAX_NUMBER
from dsintegration.words import IN_AN_AGENTS_WORDS

F = TypeVar("F", bound=Callable[..., Any])

WHEN = {
    400: "Paramètre inconnu ou mal écrit : `detail` le nomme.",
    401: "Clé absente, fausse, expirée ou révoquée.",
    403: "La clé n'a pas ce droit : récupérer un dossier, ou chercher dans leur contenu.",
    404: "Dossier inconnu ici, ou hors des démarches de la clé : rien ne les distingue.",
    406: "L'en-tête Accept refuse le JSON.",
    409: "La copie date d'avant la restauration d'une sauvegarde : elle est à vider.",
    415: "La demande a un corps, d'un type inconnu.",
    429: "Trop de demandes.",
    500: "Erreur interne, ou réglages faux.",
    502: "La plateforme refuse notre accès, ou répond autre chose qu'attendu.",
    503: "La base de données de ce service ne répond pas, ou n'a plus de place ; après `fetch/`, "
    "la plateforme est momentanément injoignable.",
}
CODES = {
    400: {"invalid": "page_size : donnez un nombre de 1 à 200."},
    401: {
        "not_authenticated": "",
        "authentication_failed": "Cette clé est inconnue : recopiez-la en entier.",
    },
    403: {"permission_denied": "", "content_denied": ""},
    404: {"dossier_not_found": ""},
    406: {"not_acceptable": ""},
    409: {"epoch_changed": ""},
    415: {"unsupported_media_type": ""},
    429: {"throttled": ""},
    500: {"server_error": ""},
    502: {
        kind.code: f"Dossier n° 12345 : {IN_AN_AGENTS_WORDS[reason]}"
        for kind, reason in (
            (DSAccessDenied, Reason.NO_RIGHT),
            (DSInvalidResponse, Reason.UNEXPECTED),
        )
    },
    503: {
        "database_down": "",
        "database_full": "",
        DSUnavailable.code: f"Dossier n° 12345 : {DSUnavailable.sentences[Reason.MAINTENANCE]}",
    },
}
CONTENT_EXAMPLE: dict[str, Any] = {
    "demandeur": {
        "type": "PersonneMorale",
        "civilite": None,
        "nom": None,
        "prenom": None,
        "siret": "44011762001530",
        "raison_sociale": "LES CORDES VOCALES",
        "mandataire": None,
    },
    "groupe_instructeur": {"number": 2, "label": "Culture"},
    "instructeurs": ["instruction@agglo.example.org"],
    "labels": [{"name": "À compléter", "color": "yellow_tournesol"}],
    "motivation": None,
    "traitements": [
        {
            "event": "passe_en_instruction",
            "date": "2026-09-21T07:30:00Z",
            "agent": "instruction@agglo.example.org",
        }
    ],
    "champs": [
        {
            "id": "Q2hhbXAtMTE2",
            "label": "Date de la représentation",
            "type": "DateChamp",
            "value": "2026-12-19",
            "text": "19 décembre 2026",
        },
        {
            "id": "Q2hhbXAtMTE5",
            "label": "Département",
            "type": "DepartementChamp",
            "value": {"code": "28", "name": "Eure-et-Loir"},
            "text": "28 - Eure-et-Loir",
        },
    ],
    "annotations": [
        {
            "id": "Q2hhbXAtMjAy",
            "label": "Montant proposé",
            "type": "DecimalNumberChamp",
            "value": None,
            "text": "",
        }
    ],
}
DOSSIER_EXAMPLE: dict[str, Any] = {
    "number": 12345,
    "ds_id": "RG9zc2llci0xMjM0NQ==",
    "state": "en_instruction",
    "state_label": "En instruction",
    "demarche": {
        "number": 901,
        "ds_id": "UHJvY2VkdXJlLTkwMQ==",
        "title": "Demande de subvention pour une manifestation culturelle",
    },
    "usager_email": "camille.durand@example.org",
    "date_depot": "2026-09-07T08:02:11Z",
    "date_passage_en_construction": "2026-09-07T08:02:11Z",
    "date_passage_en_instruction": "2026-09-21T07:30:00Z",
    "date_traitement": None,
    "date_derniere_modification": "2026-10-02T09:20:37Z",
    "date_expiration": None,
    "date_suppression_par_usager": None,
    "messages": [
        {
            "ds_id": "Q29tbWVudGFpcmUtMQ==",
            "email": "instruction@agglo.example.org",
            "author": "autre",
            "body": "Bonjour, il manque le budget signé.",
            "created_at": "2026-09-14T13:41:08Z",
            "discarded_at": None,
            "absent_since": None,
            "attachments": [
                {
                    "id": 17,
                    "filename": "modele-de-budget.pdf",
                    "content_type": "application/pdf",
                    "byte_size": 48213,
                    "checksum": "CY9rzUYh03PK3k6DJie09g==",
                    "created_at": "2026-09-14T13:41:02Z",
                    "scan": "safe",
                }
            ],
        }
    ],
    **CONTENT_EXAMPLE,
    "url": "https://demarche.numerique.gouv.fr/dossiers/12345",
    "version": 8123,
    "changed_at": "2026-10-02T09:21:00.820093Z",
    "fetched_at": "2026-10-02T09:21:00.805092Z",
    "checked_at": "2026-10-02T09:21:00.805092Z",
    "absent_since": None,
}


def _item_example() -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name, value in DOSSIER_EXAMPLE.items():
        if name == "messages":
            item |= {
                "messages_count": 1,
                "last_message_at": "2026-09-14T13:41:08Z",
                "last_message_author": "autre",
            }
        elif name not in CONTENT_EXAMPLE:
            item[name] = value
    return item


def _error(status: int, *more: str, of_fetch: bool, denied: str = "") -> OpenApiResponse:
    examples = [
        OpenApiExample(code, value={"detail": SENTENCES[code] or detail, "code": code})
        for code, detail in (CODES[status] | dict.fromkeys(more, "")).items()
        if (of_fetch or code != DSUnavailable.code) and (status != 403 or code == denied)
    ]
    return OpenApiResponse(ErrorSerializer, description=WHEN[status], examples=examples)


def _errors(*statuses: int, denied: str = "") -> dict[int, OpenApiResponse]:
    """Whoever may meet 502 asks the platform; `denied`: the code of the one right that it takes."""
    known = sorted({*statuses, 400, 401, 406, 429, 500, 503} | ({403} if denied else set()))
    asks = 502 in statuses
    return {status: _error(status, of_fetch=asks, denied=denied) for status in known}


def _good(serializer: Any, description: str, example: dict[str, Any]) -> OpenApiResponse:
    return OpenApiResponse(
        serializer, description=description, examples=[OpenApiExample("Exemple", value=example)]
    )


def _sent(name: str, kind: Any, statuses: list[int], description: str) -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.HEADER, response=statuses, description=description
    )


CHALLENGE = _sent("WWW-Authenticate", OpenApiTypes.STR, [401], "Toujours `Api-Key`.")
WAIT = "Secondes à attendre avant de redemander."
NUMBER = OpenApiParameter(
    "number",
    {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER},
    OpenApiParameter.PATH,
    description="Numéro du dossier.",
)
ANSWERS = OpenApiParameter(
    "champs",
    {"type": "object", "additionalProperties": {"type": "string"}},
    OpenApiParameter.QUERY,
    style="form",
    explode=True,
    description=(
        "`champ.<id>=valeur` : les dossiers qui répondent cela à ce champ. L'id est celui de "
        "`champs` et de `annotations`, sans les `=` de sa fin ; donner plusieurs champs, c'est "
        "demander les dossiers qui répondent à tous. La clé doit pouvoir lire le contenu, et le "
        "champ servir à chercher."
    ),
    examples=[OpenApiExample("SIRET", value={"champ.Q2hhbXAtMTAy": "44011762001530"})],
)
ETAG = "Change avec `version`, et selon les droits de la clé."


def _describe(**said: Any) -> Callable[[F], F]:
    """As `extend_schema`, which would take the project's own DEFAULT_SCHEMA_CLASS for a method."""
    extend = extend_schema(**said)

    def describe(method: F) -> F:
        method.kwargs = {"schema": AutoSchema}  # type: ignore[attr-defined]
        return extend(method)

    return describe


DOSSIERS = _describe(
    operation_id="list_dossiers",
    summary="Liste des dossiers",
    description=(
        "Les dossiers que la clé peut voir, sans leurs messages ni leur contenu. Du changement le "
        "plus récent au plus ancien ; avec `after_version`, du plus ancien au plus récent : c'est "
        "ainsi que l'on tient une copie à jour. Plusieurs dossiers peuvent porter la même version "
        ": ne repartez de la dernière version vue qu'une fois `next` nul."
    ),
    tags=["Dossiers"],
    parameters=[ANSWERS, CHALLENGE, _sent("Retry-After", OpenApiTypes.INT, [429, 503], WAIT)],
    responses={
        200: _good(DossierItemSerializer(many=True), "Une page.", _item_example()),
        **_errors(409, denied="content_denied"),
    },
)
PURGED = _describe(
    operation_id="list_purged",
    summary="Dossiers effacés",
    description=(
        "Les numéros des dossiers effacés ici, pour que les copies les effacent aussi : ôtez de "
        "la vôtre ce numéro, si la version que vous en avez est plus petite que celle-ci. Même "
        "ordre et mêmes pages que la liste des dossiers."
    ),
    tags=["Dossiers"],
    parameters=[CHALLENGE, _sent("Retry-After", OpenApiTypes.INT, [429, 503], WAIT)],
    responses={
        200: _good(
            PurgedDossierSerializer(many=True),
            "Une page.",
            {"number": 12001, "version": 8124, "purged_at": "2026-10-02T23:00:00Z"},
        ),
        **_errors(409),
    },
)
DOSSIER = _describe(
    operation_id="read_dossier",
    summary="Un dossier",
    description=(
        "Le dossier tel qu'il est enregistré ici, avec ses messages et, du formulaire et de "
        "l'instruction, ce que sa démarche conserve."
    ),
    tags=["Dossiers"],
    parameters=[
        NUMBER,
        OpenApiParameter(
            "If-None-Match",
            OpenApiTypes.STR,
            OpenApiParameter.HEADER,
            description="L'ETag déjà reçu : 304 si rien n'a changé depuis.",
        ),
        _sent("ETag", OpenApiTypes.STR, [200, 304], ETAG),
        CHALLENGE,
        _sent("Retry-After", OpenApiTypes.INT, [429, 503], WAIT),
    ],
    responses={
        200: _good(DossierSerializer, "Le dossier.", DOSSIER_EXAMPLE),
        304: OpenApiResponse(description="Inchangé ; sans corps."),
        **_errors(404),
    },
)
FILE = _describe(
    operation_id="read_file",
    summary="Un fichier d'un dossier",
    description=(
        "Les octets d'un fichier, par son `id`. La plateforme est interrogée à chaque fois : cela "
        "compte comme une récupération, et peut prendre 70 secondes. Taille et somme MD5 sont "
        "vérifiées avant le premier octet. Les pièces jointes des messages demandent le droit aux "
        "données personnelles, les fichiers du formulaire celui au contenu."
    ),
    tags=["Dossiers"],
    parameters=[
        NUMBER,
        OpenApiParameter(
            "file",
            {"type": "integer", "minimum": 1},
            OpenApiParameter.PATH,
            description="L'`id` du fichier.",
        ),
        OpenApiParameter(
            "If-None-Match",
            OpenApiTypes.STR,
            OpenApiParameter.HEADER,
            description="L'ETag déjà reçu : 304, sans interroger la plateforme.",
        ),
        _sent("ETag", OpenApiTypes.STR, [200, 304], "La somme MD5 du fichier."),
        _sent("Content-Disposition", OpenApiTypes.STR, [200], "Toujours `attachment`."),
        CHALLENGE,
        _sent("Retry-After", OpenApiTypes.INT, [429, 503], WAIT),
    ],
    responses={
        (200, "application/octet-stream"): OpenApiResponse(
            OpenApiTypes.BINARY, description="Le fichier, sous le type qu'en dit la plateforme."
        ),
        304: OpenApiResponse(description="Inchangé ; sans corps."),
        **{status: _error(status, of_fetch=True) for status in (400, 401, 429, 500, 502, 503)},
        404: _error(404, "file_not_found", of_fetch=True),
    },
)
FETCH = _describe(
    operation_id="fetch_dossier",
    summary="Récupérer un dossier de la plateforme",
    description=(
        "Demande le dossier à la plateforme, maintenant, et l'enregistre ; la réponse peut prendre "
        "une dizaine de secondes. Des demandes simultanées du même dossier partagent un appel. La "
        "clé doit avoir le droit de récupérer."
    ),
    tags=["Dossiers"],
    request=None,
    parameters=[
        NUMBER,
        _sent("ETag", OpenApiTypes.STR, [200, 201], ETAG),
        CHALLENGE,
        _sent("Retry-After", OpenApiTypes.INT, [429, 503], WAIT),
    ],
    responses={
        200: _good(DossierSerializer, "Il était déjà connu ici.", DOSSIER_EXAMPLE),
        201: _good(DossierSerializer, "Il est nouveau ici.", DOSSIER_EXAMPLE),
        **_errors(404, 415, 502, denied="permission_denied"),
    },
)


def read_codes() -> dict[str, str]:
    """Each code with its sentence, or with what its status says where sentences differ."""
    said = {code: WHEN[status] for status, codes in CODES.items() for code in codes}
    return {code: sentence or said[code] for code, sentence in SENTENCES.items()}


# All that can be said, so that nothing of the project's own (SPECTACULAR_SETTINGS) holds here.
SETTINGS: dict[str, Any] = {
    name: value
    for name, value in SPECTACULAR_DEFAULTS.items()
    if not name.startswith("SERVE_") and name != "DEFAULT_GENERATOR_CLASS"
} | {
    "TITLE": "Dossiers de Démarche numérique",
    "DESCRIPTION": (
        "Les dossiers que cette administration a récupérés de Démarche numérique, pour ses autres "
        "systèmes. Chaque demande porte une clé, dans l'en-tête « Authorization: Api-Key … »."
    ),
    "VERSION": "1",
    "ENUM_NAME_OVERRIDES": {"AuthorEnum": "dsintegration.models.Author"},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
_settings_are_ours = threading.Lock()


def document() -> dict[str, Any]:
    """The schema of this API, and of nothing else that the project has, where it is mounted."""
    first = reverse("dsintegration_api:dossiers")
    return _document(first.removesuffix("dossiers/"))


@lru_cache(maxsize=4)
def _document(root: str) -> dict[str, Any]:
    """Made once: it depends on code alone."""
    ours = [path(root.removeprefix("/"), include("dsintegration.api.urls"))]
    with _settings_are_ours, patched_settings(SETTINGS):
        generator = SchemaGenerator(patterns=ours)  # type: ignore[no-untyped-call]
        made: dict[str, Any] = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    return made
