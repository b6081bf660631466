"""`?champ.<id>=value`: dossiers by what their form answers, through the index of searchable ones.

Which champs there are is itself something that a key may not know: one answer is given for an id
that nobody has, one of another's démarche, one that is not searched by, and one that is hidden.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, cast

from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request

from dsintegration.harmless import cut
from dsintegration.mirror.values import LONGEST, fold
from dsintegration.models import ApiKey, ChampDescriptor, ChampValue

PREFIX = "champ."
# Each is a condition of the statement.
MOST = 10
NUMBERS = {"IntegerNumber", "DecimalNumber", "DossierLink"}
DAYS = {"Date", "Datetime"}
BOXES = {"Checkbox": {"true": "oui", "false": "non"}, "YesNo": {"true": "oui", "false": "non"}}
# What the index holds of a number: 28 digits before the decimal point, 10 behind it.
_NUMBER = re.compile(r"-?[0-9]{1,27}(?:[.,][0-9]{1,10})?")

_ID = re.compile(r"[!-~]{1,255}")


class ContentDenied(PermissionDenied):
    default_code = "content_denied"


def of_answers(request: Request, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those dossiers that answer as the query says; its parameters were checked.

    Raises ContentDenied, ValidationError.
    """
    params, key = request.query_params, cast("ApiKey", request.auth)
    given = {name: params[name] for name in params if name.startswith(PREFIX)}
    if not given:
        return rows
    if not key.can_read_content:
        raise ContentDenied
    if len(given) > MOST:
        raise ValidationError({PREFIX: f"donnez {MOST} champs au plus."})
    faults, conditions = {}, []
    known = _searchable(key, given)
    for name, value in given.items():
        if found := known.get(name):
            try:
                conditions.append(_condition(found, value))
            except ValueError as err:
                faults[cut(name, 40)] = str(err)
        else:
            faults[cut(name, 40)] = (
                "aucun champ de cet identifiant ne sert à chercher avec cette clé."
            )
    if faults:
        raise ValidationError(faults)
    for condition, demarches in conditions:
        answers = ChampValue.objects.filter(condition, is_whole=True)
        rows = rows.filter(pk__in=answers.values("dossier"), demarche__in=demarches)
    return rows


def _searchable(key: ApiKey, names: Iterable[str]) -> Mapping[str, list[ChampDescriptor]]:
    """By parameter: one row for each démarche that has the champ, which is mostly one."""
    ids = {name: _spellings(name.removeprefix(PREFIX)) for name in names}
    rows = ChampDescriptor.objects.filter(ds_id__in={i for some in ids.values() for i in some})
    if not key.all_demarches:
        rows = rows.filter(demarche__in=key.listed)
    around = ChampDescriptor.objects.filter(
        demarche=OuterRef("demarche"), ds_id=OuterRef("repetition")
    )
    rows = rows.filter(
        Q(is_kept=True) | Exists(around.kept()), is_searchable=True, hidden_from_api=False
    ).exclude(Exists(around.filter(hidden_from_api=True)))
    found = list(rows.order_by("pk"))
    return {name: [row for row in found if row.ds_id in ids[name]] for name in ids}


def _spellings(given: str) -> tuple[str, ...]:
    """An id as it was given, and with the `=` that an address would have had to encode."""
    return (given, given + "=" * (-len(given) % 4)) if _ID.fullmatch(given) else ()


def _condition(rows: list[ChampDescriptor], value: str) -> tuple[Q, list[int]]:
    """Raises ValueError with a sentence, and without the value."""
    kind, condition = rows[0].type, Q(champ=rows[0].ds_id)
    if kind in NUMBERS:
        condition &= Q(number=_number(value))
    elif kind in DAYS:
        condition &= Q(date=_day(value))
    else:
        # As numbers of companies and accounts are written in groups, too.
        folded = fold(BOXES.get(kind, {}).get(value, value))[:LONGEST]
        condition &= Q(text__in={folded, folded.replace(" ", "")})
    return condition, [row.demarche_id for row in rows]


def _number(value: str) -> Decimal:
    bare = "".join(value.split())
    if not _NUMBER.fullmatch(bare):
        raise ValueError("donnez un nombre : 4300, 4300.5 ou 4300,50.")
    return Decimal(bare.replace(",", "."))


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("donnez une date : 2026-12-19.") from None
