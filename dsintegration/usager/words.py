"""What an état means for the person who waits: what happens now, and what is to be done.

Nothing is said that does not follow from what is known: that there is nothing to do only when the
service has not written last, and not on old news.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from django.utils import formats, timezone

from dsintegration.harmless import on_a_page
from dsintegration.models import Author, Dossier

State = Dossier.State

AUTHORS: dict[Author, str] = {
    Author.USAGER: "Vous",
    Author.SYSTEME: "Message automatique",
    Author.AUTRE: "Le service ou une personne invitée",
}
FORMER_ADDRESS = "Le titulaire du dossier, avec une autre adresse"


@dataclass(frozen=True)
class Known:
    """What the sentences follow from. `decision_elsewhere`: only the platform may announce one.

    `service_wrote_at`: the service has the last word; `usager_wrote_at`: the usager has it, after
    the service had written. `old_since`: when this was known, if that is too long ago.
    """

    state: str
    platform: str
    correction_awaited: bool = False
    decision_elsewhere: bool = False
    service_wrote_at: datetime | None = None
    usager_wrote_at: datetime | None = None
    old_since: datetime | None = None


def what_happens_next(known: Known) -> list[str]:
    """Paragraphs, in which no line begins with a colon."""
    return [re.sub(r" (?=[:;?!])", "\N{NO-BREAK SPACE}", text) for text in _paragraphs(known)]


def _paragraphs(known: Known) -> list[str]:
    platform = known.platform
    match known.state:
        case State.EN_CONSTRUCTION:
            return [
                "Votre dossier est bien arrivé. Le service vérifie qu'il est complet. "
                f"{_to_do(known)}",
                f"Vous pouvez encore modifier votre dossier sur {platform}.",
            ]
        case State.EN_INSTRUCTION if known.decision_elsewhere:
            correction = f" {_to_do(known)}" if known.correction_awaited else ""
            return [
                f"Votre demande est passée à l'examen.{correction}",
                f"La décision se lit sur {platform}, et là seulement : ouvrez-y votre dossier pour "
                "savoir où il en est, et si quelque chose vous est demandé.",
            ]
        case State.EN_INSTRUCTION:
            return [
                f"Le service examine votre demande. {_to_do(known)}",
                "Vous recevrez un courriel quand la décision sera prise.",
            ]
        case State.ACCEPTE:
            return [
                "Votre demande est acceptée.",
                f"La décision se trouve dans votre dossier sur {platform}, avec les documents qui "
                "vont avec s'il y en a.",
            ]
        case State.REFUSE:
            return [
                "Votre demande est refusée.",
                f"Les raisons se trouvent dans votre dossier sur {platform}. Si vous n'êtes pas "
                "d'accord, regardez ce que la décision dit des recours et de leurs délais, ou "
                "demandez-le au service.",
            ]
        case State.SANS_SUITE:
            return [
                "Votre dossier est classé sans suite : le service ne l'examine plus, et votre "
                "demande n'est ni acceptée ni refusée.",
                f"La raison se trouve dans votre dossier sur {platform}. Si vous pensez que c'est "
                "une erreur, dites-le au service.",
            ]
    return [
        "Cette page ne sait pas encore expliquer cet état. Pour savoir où en est votre dossier, "
        f"ouvrez-le sur {platform}."
    ]


def _to_do(known: Known) -> str:
    if known.correction_awaited:
        return "Il attend votre correction pour continuer."
    if known.service_wrote_at:
        return "Il attend peut-être votre réponse : lisez d'abord son message."
    if known.decision_elsewhere:
        return (
            f"Ouvrez votre dossier sur {known.platform} pour savoir si quelque chose vous est "
            "demandé."
        )
    if known.old_since:
        return (
            f"Le {day(known.old_since)}, rien ne vous était demandé ; nous n'avons pas pu le "
            f"vérifier depuis. Ouvrez votre dossier sur {known.platform} pour en être sûr."
        )
    if known.usager_wrote_at:
        return (
            f"Il n'a rien écrit depuis votre message du {day(known.usager_wrote_at)} : s'il vous "
            "restait quelque chose à lui envoyer, envoyez-le ; sinon, vous n'avez rien à faire."
        )
    return "Vous n'avez rien à faire pour l'instant : il vous écrira s'il a besoin d'autre chose."


def label_of(state: str) -> str:
    """The état as it is called, be it one that only the platform knows yet."""
    if state in State.values:
        return str(State(state).label)
    return on_a_page(state.replace("_", " ").capitalize())


def day(moment: datetime) -> str:
    """« 1er octobre 2026 »."""
    local = timezone.localtime(moment)
    number = "1er" if local.day == 1 else str(local.day)
    return f"{number}\N{NO-BREAK SPACE}{formats.date_format(local, 'F Y')}"


# Where French public services keep time, as people call it.
_CLOCKS = {
    "America/Cayenne": "de Guyane",
    "America/Guadeloupe": "de Guadeloupe",
    "America/Martinique": "de Martinique",
    "America/Miquelon": "de Saint-Pierre-et-Miquelon",
    "Europe/Paris": "de Paris",
    "Indian/Mayotte": "de Mayotte",
    "Indian/Reunion": "de La Réunion",
    "Pacific/Noumea": "de Nouvelle-Calédonie",
    "Pacific/Tahiti": "de Tahiti",
    "Pacific/Wallis": "de Wallis-et-Futuna",
}


def hour(moment: datetime) -> str:
    """« 9 h 05 (heure de Paris) »: whoever reads it may be elsewhere."""
    local = timezone.localtime(moment)
    name = timezone.get_current_timezone_name()
    clock = _CLOCKS.get(name, f"de {name.rpartition('/')[2].replace('_', ' ')}")
    blank = "\N{NO-BREAK SPACE}"
    return f"{local.hour}{blank}h{blank}{local:%M} (heure {clock})"
