"""The way of a dossier as a short list of steps: behind, under way, to come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dsintegration.harmless import on_a_page
from dsintegration.models import Dossier
from dsintegration.usager.words import day

State = Dossier.State


class Progress(StrEnum):
    DONE = "done"
    CURRENT = "current"
    UPCOMING = "upcoming"


@dataclass(frozen=True)
class Step:
    """`words` say how far it is, and end in a date (`at`) if there is one."""

    label: str
    progress: Progress
    words: str
    at: datetime | None = None
    remark: str = ""


CHECK, EXAMINATION, DECISION = (
    "Vérification de votre dossier",
    "Examen de votre demande",
    "Décision",
)
OUTCOMES: dict[str, str] = {
    State.ACCEPTE: "Décision : votre demande est acceptée",
    State.REFUSE: "Décision : votre demande est refusée",
    State.SANS_SUITE: "Dossier classé sans suite",
}


def steps_of(dossier: Dossier, state: str, *, hides: bool) -> list[Step]:
    """The steps as of the état that is shown; `hides`: nothing of a decision, be it a former one.

    A dossier may go back, and its dates stay: only those of steps behind or under way are shown.
    """
    construction, instruction = (
        dossier.date_passage_en_construction,
        dossier.date_passage_en_instruction,
    )
    if construction == dossier.date_depot:
        construction = None
    former = "" if hides else _former_decision(dossier.date_traitement)
    steps = [_done("Dépôt de votre dossier", dossier.date_depot)]
    match state:
        case State.EN_CONSTRUCTION:
            begun = f"Commencé le {day(instruction)}, puis interrompu." if instruction else ""
            steps += [
                _current(CHECK, construction),
                _upcoming(EXAMINATION, former or begun),
                _upcoming(DECISION),
            ]
        case State.EN_INSTRUCTION:
            steps += [
                _done(CHECK),
                _current(EXAMINATION, instruction, former),
                _upcoming(DECISION),
            ]
        case State.ACCEPTE | State.REFUSE | State.SANS_SUITE:
            steps.append(_done(CHECK))
            if instruction:  # some démarches decide without it
                steps.append(_done(EXAMINATION, instruction, "Fait, commencé le"))
            steps.append(_done(OUTCOMES[state], dossier.date_traitement, "Décidé le"))
        case _:
            steps.append(_current(on_a_page(state)))
    return steps


def _done(label: str, at: datetime | None = None, words: str = "Fait le") -> Step:
    return Step(label, Progress.DONE, words if at else "Fait", at)


def _current(label: str, at: datetime | None = None, remark: str = "") -> Step:
    return Step(label, Progress.CURRENT, "En cours depuis le" if at else "En cours", at, remark)


def _upcoming(label: str, remark: str = "") -> Step:
    return Step(label, Progress.UPCOMING, "À venir", remark=remark)


def _former_decision(at: datetime | None) -> str:
    return f"Une première décision, du {day(at)}, est réexaminée." if at else ""
