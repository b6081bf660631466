"""What the usager's page says of a dossier, in words that need no knowledge of administration.

Where the démarche hides decisions, everything that follows from one is left out here, once for the
whole page: it then is the page of a dossier that has gone into instruction, and says no more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from dsintegration import conf
from dsintegration.harmless import on_a_page
from dsintegration.models import Dossier, Platform
from dsintegration.usager.conversation import Conversation, ShownMessage, conversation_of
from dsintegration.usager.steps import Step, steps_of
from dsintegration.usager.words import Known, label_of, what_happens_next

State = Dossier.State

# From what age of our data a page does not speak of the present any more.
OLD = timedelta(days=1)
# Where decisions are hidden: beyond what any dossier reaches between two checks, so that how long
# ago the last one was does not tell a finished dossier, which is checked more rarely, from another.
OLD_IF_HIDDEN = timedelta(days=2)


@dataclass(frozen=True)
class DossierPage:
    """`since_words` stand before `since`; `checked_at` is None where it would tell a decision."""

    number: int
    demarche: str
    state: str
    label: str
    since: datetime | None
    since_words: str
    happens_next: list[str]
    steps: list[Step]
    correction_at: datetime | None
    service_wrote_at: datetime | None
    last_message: ShownMessage | None
    other_messages: list[ShownMessage]
    decision_elsewhere: bool
    absent_since: datetime | None
    is_erased: bool
    trashed_at: datetime | None
    expires_at: datetime | None
    checked_at: datetime | None
    is_old: bool
    has_failed: bool
    failed_at: datetime | None
    service: str
    platform: str
    url: str
    all_url: str

    @property
    def messagerie_url(self) -> str:
        return f"{self.url}/messagerie"


@dataclass(frozen=True)
class DossierLine:
    """One dossier in the list of a usager's."""

    number: int
    demarche: str
    state: str
    label: str
    changed_at: datetime | None
    absent_since: datetime | None


def present(dossier: Dossier) -> DossierPage:
    hides = dossier.demarche.decision_hidden
    is_hidden = hides and not dossier.is_open
    state = _shown_state(dossier)
    is_decided = state in {State.ACCEPTE, State.REFUSE, State.SANS_SUITE}
    platform = conf.platform_name()
    correction_at = dossier.date_derniere_correction_en_attente if dossier.is_open else None
    messages = conversation_of(dossier, hides=hides, is_hidden=is_hidden)
    is_old = timezone.now() - dossier.checked_at > (OLD_IF_HIDDEN if hides else OLD)
    failed_at = _failed_at(dossier)
    return DossierPage(
        number=dossier.number,
        demarche=on_a_page(dossier.demarche.title),
        state=_class_of(state),
        label=label_of(state),
        since=dossier.date_passage_en_instruction if is_hidden else dossier.state_since,
        since_words=_since_words(state, is_decided=is_decided, hides=hides),
        happens_next=_happens_next(dossier, state, messages, correction_at, is_old=is_old),
        steps=steps_of(dossier, state, platform, hides=hides),
        correction_at=None if dossier.absent_since else correction_at,
        service_wrote_at=messages.service_wrote_at,
        last_message=messages.last,
        other_messages=messages.others,
        decision_elsewhere=hides,
        absent_since=dossier.absent_since,
        is_erased=dossier.erased_at is not None,
        trashed_at=None if is_hidden else dossier.date_suppression_par_usager,
        expires_at=_still_to_come(dossier.date_expiration) if is_decided else None,
        checked_at=None if hides else dossier.checked_at,
        is_old=is_old,
        has_failed=failed_at is not None,
        failed_at=None if hides else failed_at,
        service=" – ".join(
            filter(None, (dossier.demarche.service_nom, dossier.demarche.service_organisme))
        ),
        platform=platform,
        url=dossier.url,
        all_url=f"{conf.site_url()}/dossiers",
    )


def summarise(dossier: Dossier) -> DossierLine:
    state = _shown_state(dossier)
    # The date of the last change would tell a hidden decision.
    shown = (
        (
            dossier.date_depot,
            dossier.date_passage_en_construction,
            dossier.date_passage_en_instruction,
        )
        if dossier.demarche.decision_hidden
        else (dossier.date_derniere_modification,)
    )
    return DossierLine(
        number=dossier.number,
        demarche=on_a_page(dossier.demarche.title),
        state=_class_of(state),
        label=label_of(state),
        changed_at=max((moment for moment in shown if moment), default=None),
        absent_since=dossier.absent_since,
    )


def _shown_state(dossier: Dossier) -> str:
    is_hidden = dossier.demarche.decision_hidden and not dossier.is_open
    return State.EN_INSTRUCTION.value if is_hidden else dossier.state


def _class_of(state: str) -> str:
    return state if state in State.values else "inconnu"


def _since_words(state: str, *, is_decided: bool, hides: bool) -> str:
    if hides and state == State.EN_INSTRUCTION:
        return "à partir du"  # whether it still is so, only the platform may tell
    return "le" if is_decided else "depuis le"


def _happens_next(
    dossier: Dossier,
    state: str,
    messages: Conversation,
    correction_at: datetime | None,
    *,
    is_old: bool,
) -> list[str]:
    """Of a dossier that is gone nothing is known to go on."""
    if dossier.absent_since:
        return []
    return what_happens_next(
        Known(
            state=state,
            platform=conf.platform_name(),
            correction_awaited=correction_at is not None,
            decision_elsewhere=dossier.demarche.decision_hidden,
            service_wrote_at=messages.service_wrote_at,
            usager_wrote_at=messages.usager_answered_at,
            old_since=dossier.checked_at if is_old else None,
        )
    )


def _still_to_come(moment: datetime | None) -> datetime | None:
    return moment if moment and moment > timezone.now() else None


def _failed_at(dossier: Dossier) -> datetime | None:
    """When the platform last failed to answer, if it has not answered since."""
    platform = Platform.objects.filter(pk=Platform.SINGLETON).first()
    failures = [dossier.last_error_at, platform and platform.last_error_at]
    last = max((moment for moment in failures if moment), default=None)
    return last if last and last > dossier.checked_at else None
