"""What an état means for the person who waits: what happens now, and what is to be done."""

from datetime import datetime

from django.utils import formats, timezone

from dsintegration.models import Author, Dossier

State = Dossier.State

AUTHORS: dict[Author, str] = {
    Author.USAGER: "Vous",
    Author.SYSTEME: "Message automatique",
    Author.AUTRE: "Le service ou une personne invitée",
}
FORMER_ADDRESS = "Le titulaire du dossier, avec une autre adresse"


def what_happens_next(
    state: str, platform: str, *, correction_awaited: bool, decision_elsewhere: bool
) -> list[str]:
    """Paragraphs; `decision_elsewhere`: only the platform may announce a decision."""
    to_do = (
        "Il attend votre correction pour continuer."
        if correction_awaited
        else "Vous n'avez rien à faire pour l'instant : il vous écrira s'il a besoin d'autre chose."
    )
    match state:
        case State.EN_CONSTRUCTION:
            return [
                f"Votre dossier est bien arrivé. Le service vérifie qu'il est complet. {to_do}",
                f"Vous pouvez encore modifier votre dossier sur {platform}.",
            ]
        case State.EN_INSTRUCTION:
            decision = (
                f"La décision vous sera annoncée sur {platform}, et là seulement."
                if decision_elsewhere
                else "Vous recevrez un courriel quand la décision sera prise."
            )
            return [
                f"Le service examine votre demande. {to_do}",
                decision,
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
    return [f"Pour savoir où en est votre dossier, ouvrez-le sur {platform}."]


def day(moment: datetime) -> str:
    """« 1er octobre 2026 »."""
    local = timezone.localtime(moment)
    number = "1er" if local.day == 1 else str(local.day)
    return f"{number}\N{NO-BREAK SPACE}{formats.date_format(local, 'F Y')}"
