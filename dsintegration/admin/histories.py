"""What became of a dossier: its états and changes, by the platform's dates and by our journal."""

from dataclasses import dataclass
from datetime import datetime

from dsintegration.models import Action, Dossier, Interface, JournalEntry
from dsintegration.templatetags.dossiers import timeline

MOST = 500
# Of the names that our JSON uses, those that tell an agent something.
FIELDS = {
    "usager_email": "adresse de l'usager",
    "demarche": "titre de la démarche",
    "date_expiration": "date d'expiration",
    "date_suppression_par_usager": "suppression par l'usager",
    "date_traitement": "date de décision",
    "absent_since": "présence sur la plateforme",
    "messages": "messages",
}
ACCESSES = {Action.VIEW, Action.FILE, Action.LIST, Action.EXPORT, Action.LINK}


@dataclass(frozen=True)
class Event:
    at: datetime
    what: str
    who: str = ""


def history_of(dossier: Dossier, *, with_accesses: bool) -> list[Event]:
    """Newest first. `with_accesses`: who looked at it, too."""
    events = [
        Event(step.at, f"{step.label} ({step.remark})" if step.remark else step.label, "plateforme")
        for step in timeline(dossier)
    ]
    events += [
        Event(message.created_at, f"Message : {message.author.label}", "plateforme")
        for message in dossier.messages.all()
    ]
    entries = JournalEntry.objects.filter(dossier_number=dossier.number).order_by("-at")
    if not with_accesses:
        entries = entries.exclude(action__in=ACCESSES)
    events += [
        Event(entry.at, _what(entry), _who(entry, with_name=with_accesses))
        for entry in entries[:MOST]
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)


def _what(entry: JournalEntry) -> str:
    if entry.action in {Action.FETCH, Action.REFRESH}:
        told = f"Récupération depuis la plateforme : {entry.outcome_label}"
        changes = _changes(entry.detail)
        return f"{told} ({', '.join(changes)})" if changes else told
    if entry.action == Action.SETTLE:
        return "Marqué « rien à répondre »"
    return f"{entry.get_action_display().capitalize()} : {entry.outcome_label}"


def _changes(detail: str) -> list[str]:
    """`state=accepte,messages=2,date_traitement` in words."""
    said = []
    for part in filter(None, detail.split(",")):
        name, _, value = part.partition("=")
        if name == "state":
            said.append(f"état « {dict(Dossier.State.choices).get(value, value)} »")
        elif name == "messages" and value:
            said.append(
                f"{value} nouveau{'x' if value != '1' else ''} message{'s' if value != '1' else ''}"
            )
        elif name in FIELDS:
            said.append(FIELDS[name])
    return said


def _who(entry: JournalEntry, *, with_name: bool) -> str:
    if entry.interface == Interface.USAGER:
        return "usager"
    if with_name and entry.actor:
        return f"{entry.actor} ({entry.get_interface_display()})"
    return str(entry.get_interface_display())
