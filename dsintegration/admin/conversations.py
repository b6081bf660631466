"""A conversation as an agent reads it: what awaits an answer first in sight, the rest folded."""

from dataclasses import dataclass, field
from typing import Any

from dsintegration.models import Author, Dossier, Message, attach_files

# A shorter conversation is shown whole, but for its automatic messages.
SHORT = 6
# Of a long one: those before what awaits an answer, for the context.
CONTEXT = 2


@dataclass
class Passage:
    """Messages in their order. A folded one opens with a click; `label`: what it holds."""

    messages: list[Any] = field(default_factory=list)
    is_folded: bool = False
    is_awaited: bool = False

    @property
    def label(self) -> str:
        count = len(self.messages)
        automatic = all(message.author is Author.SYSTEME for message in self.messages)
        kind = "automatique" if automatic else "plus ancien" if count == 1 else "plus anciens"
        if automatic and count > 1:
            kind = "automatiques"
        return f"{count} message{'s' if count > 1 else ''} {kind}"


def conversation_of(dossier: Dossier) -> list[Passage]:
    """All messages, with their files, in passages."""
    messages: list[Message] = list(dossier.messages.all())
    attach_files(messages)
    people = [message for message in messages if message.author is not Author.SYSTEME]
    old: set[int] = set()
    if len(people) > SHORT:
        awaited = [message for message in people if _awaits(message, dossier)]
        first = people.index(awaited[0]) if awaited else len(people) - 1
        old = {message.pk for message in people[: max(0, first - CONTEXT)]}
    passages: list[Passage] = []
    for message in messages:
        folded = message.author is Author.SYSTEME or message.pk in old
        awaits = _awaits(message, dossier)
        last = passages[-1] if passages else None
        if last and (last.is_folded, last.is_awaited) == (folded, awaits):
            last.messages.append(message)
        else:
            passages.append(Passage([message], folded, awaits))
    return passages


def _awaits(message: Message, dossier: Dossier) -> bool:
    return (
        dossier.is_to_answer
        and dossier.waiting_since is not None
        and message.author is Author.USAGER
        and message.created_at >= dossier.waiting_since
    )
