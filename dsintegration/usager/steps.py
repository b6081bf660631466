"""The way of a dossier as a short list of steps: behind, under way, to come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dsintegration.models import Dossier
from dsintegration.usager.words import day, label_of

State = Dossier.State


class Progress(StrEnum):
    DONE = "done"
    CURRENT = "current"
    UPCOMING = "upcoming"
    ELSEWHERE = "elsewhere"  # begun; how far it is, only the platform may tell


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
BOTH = "Examen de votre demande, puis décision"
OUTCOMES: dict[str, str] = {
    State.ACCEPTE: "Décision : votre demande est acceptée",
    State.REFUSE: "Décision : votre demande est refusée",
    State.SANS_SUITE: "Dossier classé sans suite",
}


def steps_of(dossier: Dossier, state: str, platform: str, *, hides: bool) -> list[Step]:
    """The steps as of the état that is shown; `hides`: nothing of a decision, be it a former one.

    A dossier may go back, and its dates stay: only those of steps behind or under way are shown.
    Of one that is gone, nothing is under way or to come.
    """
    steps = _steps(dossier, state, platform, hides=hides)
    if dossier.absent_since is None:
        return steps
    return [step for step in steps if step.progress is Progress.DONE]


def _steps(dossier: Dossier, state: str, platform: str, *, hides: bool) -> list[Step]:
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
                *(
                    [_upcoming(BOTH, begun)]
                    if hides
                    else [_upcoming(EXAMINATION, former or begun), _upcoming(DECISION)]
                ),
            ]
        case State.EN_INSTRUCTION if hides:
            steps += [_done(CHECK), _elsewhere(BOTH, platform, instruction)]
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
            steps.append(_current(label_of(state)))
    return steps


def _done(label: str, at: datetime | None = None, words: str = "Fait le") -> Step:
    return Step(label, Progress.DONE, words if at else "Fait", at)


def _current(label: str, at: datetime | None = None, remark: str = "") -> Step:
    return Step(label, Progress.CURRENT, "En cours depuis le" if at else "En cours", at, remark)


def _elsewhere(label: str, platform: str, at: datetime | None) -> Step:
    words = "Commencé le" if at else "Commencé"
    return Step(label, Progress.ELSEWHERE, words, at, f"La suite se lit sur {platform}")


def _upcoming(label: str, remark: str = "") -> Step:
    return Step(label, Progress.UPCOMING, "À venir", remark=remark)


def _former_decision(at: datetime | None) -> str:
    return f"Une première décision, du {day(at)}, est réexaminée." if at else ""
