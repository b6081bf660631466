"""The messages of a dossier that its usager's page may show, and who has the last word in them."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from dsintegration.bodies import body_as_html
from dsintegration.harmless import on_a_page
from dsintegration.models import Author, Dossier, Message, attach_files
from dsintegration.usager.addresses import canonical
from dsintegration.usager.words import AUTHORS, FORMER_ADDRESS


@dataclass(frozen=True)
class ShownMessage:
    """`gone`: why there is nothing to read; `files`: the names of its attachments."""

    author: str
    is_mine: bool
    is_automatic: bool
    at: datetime
    body: SafeString
    gone: str
    files: list[str]


@dataclass(frozen=True)
class Conversation:
    """`last`: the one to be read, the service's if nobody has answered it, else the last one that
    can be read; `others`: all but that one, newest first.

    `service_wrote_at`: of its message that nobody has answered; `usager_answered_at`: of the
    usager's last message, if it follows one of the service. Automatic messages count for neither.
    """

    last: ShownMessage | None
    others: list[ShownMessage]
    service_wrote_at: datetime | None
    usager_answered_at: datetime | None


def conversation_of(dossier: Dossier, *, hides: bool, is_hidden: bool) -> Conversation:
    messages = _messages(dossier, hides=hides, is_hidden=is_hidden)
    attach_files(messages)
    readable = [m for m in messages if m.discarded_at is None and m.absent_since is None]
    people = [message for message in readable if message.author is not Author.SYSTEME]
    last_word = people[-1] if people else None
    unanswered = last_word if last_word and last_word.author is Author.AUTRE else None
    answer = None if unanswered else last_word
    is_an_answer = any(message.author is Author.AUTRE for message in people)
    last = unanswered or (readable[-1] if readable else None)
    return Conversation(
        last=_shown(dossier, last) if last else None,
        others=[_shown(dossier, message) for message in reversed(messages) if message is not last],
        service_wrote_at=unanswered.created_at if unanswered else None,
        usager_answered_at=answer.created_at if answer and is_an_answer else None,
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


def _shown(dossier: Dossier, message: Message) -> ShownMessage:
    is_usager = message.author is Author.USAGER
    # A dossier may have been somebody else's before: an address alone does not tell.
    is_mine = is_usager and canonical(message.email) == canonical(dossier.usager_email)
    gone = ""
    if message.discarded_at:
        gone = "Ce message a été supprimé par la personne qui l'avait écrit."
    elif message.absent_since:
        gone = "Ce message n'est plus sur la plateforme."
    return ShownMessage(
        author=FORMER_ADDRESS if is_usager and not is_mine else AUTHORS[message.author],
        is_mine=is_mine,
        is_automatic=message.author is Author.SYSTEME,
        at=message.created_at,
        body=SafeString("") if gone else body_as_html(message),
        gone=gone,
        files=[on_a_page(file.filename) for file in message.attachments],
    )
