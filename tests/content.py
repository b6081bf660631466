"""What tests choose to keep of a démarche."""

from typing import Any

from dsintegration import journal
from dsintegration.mirror.choices import choose
from dsintegration.models import Demarche
from dsintegration.services import read_form


def keep_all(number: int, **chosen: Any) -> Demarche:
    """Read its form, and keep all of it but what is chosen otherwise."""
    demarche = read_form(number)
    rows = [row for row in demarche.champs.all() if row.can_be_kept]
    everything = {
        "champs": [row.ds_id for row in rows if not row.is_annotation],
        "annotations": [row.ds_id for row in rows if row.is_annotation],
        "demandeur": True,
        "instruction": True,
    }
    choose(demarche, by=journal.CODE, **(everything | chosen))
    return demarche
