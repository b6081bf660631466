"""What the usager's page says of a dossier, in words that need no knowledge of administration.

Where the démarche hides decisions, everything that follows from one is left out here, once for the
whole page: it then is the page of a dossier that is still being examined.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.safestring import SafeString

from dsintegration import conf
from dsintegration.bodies import body_as_html
from dsintegration.harmless import on_a_page
from dsintegration.models import Author, Dossier, Message, Platform
from dsintegration.usager.addresses import normalised
from dsintegration.usager.steps import Step, steps_of
from dsintegration.usager.words import AUTHORS, FORMER_ADDRESS, what_happens_next

State = Dossier.State


@dataclass(frozen=True)
class ShownMessage:
    """`gone`: why there is nothing to read."""

    author: str
    is_mine: bool
    at: datetime
    body: SafeString
    gone: str


@dataclass(frozen=True)
class DossierPage:
    number: int
    demarche: str
    state: str
    label: str
    is_decided: bool
    since: datetime | None
    happens_next: list[str]
    steps: list[Step]
    correction_at: datetime | None
    last_message: ShownMessage | None
    other_messages: list[ShownMessage]
    decision_elsewhere: bool
    absent_since: datetime | None
    trashed_at: datetime | None
    expires_at: datetime | None
    checked_at: datetime
    failed_at: datetime | None
    platform: str
    url: str

    @property
    def messagerie_url(self) -> str:
        return f"{self.url}/messagerie"


def present(dossier: Dossier) -> DossierPage:
    hides = dossier.demarche.decision_hidden
    is_hidden = hides and not dossier.is_open
    state = State.EN_INSTRUCTION.value if is_hidden else dossier.state
    is_decided = state in {State.ACCEPTE, State.REFUSE, State.SANS_SUITE}
    platform = conf.platform_name()
    correction_at = dossier.date_derniere_correction_en_attente if dossier.is_open else None
    last, others = _conversation(dossier, _messages(dossier, hides=hides, is_hidden=is_hidden))
    return DossierPage(
        number=dossier.number,
        demarche=on_a_page(dossier.demarche.title),
        state=state if state in State.values else "inconnu",
        label=State(state).label if state in State.values else on_a_page(state),
        is_decided=is_decided,
        since=dossier.date_passage_en_instruction if is_hidden else dossier.state_since,
        happens_next=what_happens_next(
            state,
            platform,
            correction_awaited=correction_at is not None,
            decision_elsewhere=hides,
        ),
        steps=steps_of(dossier, state, hides=hides),
        correction_at=correction_at,
        last_message=last,
        other_messages=others,
        decision_elsewhere=hides,
        absent_since=dossier.absent_since,
        trashed_at=None if is_hidden else dossier.date_suppression_par_usager,
        expires_at=_still_to_come(dossier.date_expiration) if is_decided else None,
        checked_at=dossier.checked_at,
        failed_at=_failed_at(dossier),
        platform=platform,
        url=dossier.url,
    )


def _messages(dossier: Dossier, *, hides: bool, is_hidden: bool) -> list[Message]:
    """Those that may be shown, oldest first; none from a hidden decision on, be it a former one.

    Where decisions are hidden, automatic messages never show: one of them announced a decision
    that was taken before the one whose date we have.
    """
    messages = dossier.messages.all()
    if not hides:
        return list(messages)
    if dossier.date_traitement:
        messages = messages.filter(created_at__lt=dossier.date_traitement)
    elif is_hidden:
        return []  # nothing tells which of them came before
    return [message for message in messages if message.author is not Author.SYSTEME]


def _conversation(
    dossier: Dossier, messages: list[Message]
) -> tuple[ShownMessage | None, list[ShownMessage]]:
    """The last one that can be read, and all the others, newest first."""
    shown = [_shown(dossier, message) for message in reversed(messages)]
    last = next((message for message in shown if not message.gone), None)
    return last, [message for message in shown if message is not last]


def _shown(dossier: Dossier, message: Message) -> ShownMessage:
    is_usager = message.author is Author.USAGER
    # A dossier may have been somebody else's before: an address alone does not tell.
    is_mine = is_usager and normalised(message.email) == normalised(dossier.usager_email)
    gone = ""
    if message.discarded_at:
        gone = "Ce message a été supprimé par la personne qui l'avait écrit."
    elif message.absent_since:
        gone = "Ce message n'est plus sur la plateforme."
    return ShownMessage(
        author=FORMER_ADDRESS if is_usager and not is_mine else AUTHORS[message.author],
        is_mine=is_mine,
        at=message.created_at,
        body=SafeString("") if gone else body_as_html(message),
        gone=gone,
    )


def _still_to_come(moment: datetime | None) -> datetime | None:
    return moment if moment and moment > timezone.now() else None


def _failed_at(dossier: Dossier) -> datetime | None:
    """When the platform last failed to answer, if it has not answered since."""
    platform = Platform.objects.filter(pk=Platform.SINGLETON).first()
    failures = [dossier.last_error_at, platform and platform.last_error_at]
    last = max((moment for moment in failures if moment), default=None)
    return last if last and last > dossier.checked_at else None
