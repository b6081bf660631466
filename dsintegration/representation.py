"""A dossier as JSON, for the REST API and for `fetch_dossier --format json`."""

from datetime import UTC, datetime
from typing import Any

from dsintegration.models import Dossier


def dossier_as_json(dossier: Dossier) -> dict[str, Any]:
    """The dossier with its démarche and its messages, oldest first; dates are UTC, ending in Z."""
    return {
        "number": dossier.number,
        "ds_id": dossier.ds_id,
        "state": dossier.state,
        "state_label": dossier.get_state_display(),
        "demarche": {
            "number": dossier.demarche.number,
            "ds_id": dossier.demarche.ds_id,
            "title": dossier.demarche.title,
        },
        "usager_email": dossier.usager_email,
        "date_depot": _iso(dossier.date_depot),
        "date_passage_en_construction": _iso(dossier.date_passage_en_construction),
        "date_passage_en_instruction": _iso(dossier.date_passage_en_instruction),
        "date_traitement": _iso(dossier.date_traitement),
        "date_derniere_modification": _iso(dossier.date_derniere_modification),
        "date_expiration": _iso(dossier.date_expiration),
        "date_suppression_par_usager": _iso(dossier.date_suppression_par_usager),
        "messages": [
            {
                "ds_id": message.ds_id,
                "email": message.email,
                "author": message.author.value,
                "body": message.body,
                "created_at": _iso(message.created_at),
                "discarded_at": _iso(message.discarded_at),
                "absent_since": _iso(message.absent_since),
            }
            for message in dossier.messages.all()
        ],
        "url": dossier.url,
        "version": dossier.version,
        "changed_at": _iso(dossier.changed_at),
        "fetched_at": _iso(dossier.fetched_at),
        "checked_at": _iso(dossier.checked_at),
        "absent_since": _iso(dossier.absent_since),
    }


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
