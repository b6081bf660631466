"""What an account sees: the démarches of its groups, or all of them.

Whatever shows or counts dossiers to an agent asks here; what is outside does not exist for him.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from dsintegration.models import Demarche, Perimeter

SEE_ALL = "dsintegration.view_all_demarches"
ASK = (
    "Votre compte n'est rattaché à aucune démarche : demandez à un responsable de vous ajouter à "
    "un service."
)


@dataclass(frozen=True)
class Sight:
    """`demarches`: the number of each by its id; None: all, with those to come."""

    demarches: Mapping[int, int] | None

    @property
    def is_whole(self) -> bool:
        return self.demarches is None

    @property
    def is_empty(self) -> bool:
        return self.demarches is not None and not self.demarches

    def sees(self, demarche: int | None) -> bool:
        """Whether the démarche of that number exists for the account; None: nobody knows which."""
        return self.demarches is None or demarche in self.demarches.values()

    def limit(self, rows: QuerySet[Any], path: str = "demarche") -> QuerySet[Any]:
        """Those of the démarches that `path` leads to. By id, for the reason of ApiKey.listed."""
        if self.demarches is None:
            return rows
        return rows.filter(**{f"{path}__in": list(self.demarches)})


ALL, NOTHING = Sight(None), Sight({})


def sight_of(account: AbstractBaseUser | AnonymousUser) -> Sight:
    """Read once for each request, whose account is an object of its own."""
    seen: Sight | None = getattr(account, "_dsintegration_sight", None)
    if seen is None:
        seen = _read(account)
        account._dsintegration_sight = seen  # type: ignore[union-attr]
    return seen


def _read(account: Any) -> Sight:
    if not account.is_active:
        return NOTHING
    if account.has_perm(SEE_ALL):
        return ALL
    perimeters = Perimeter.objects.filter(group__in=account.groups.all())
    named = Demarche.objects.filter(perimeters__in=perimeters)
    return Sight(dict(named.values_list("pk", "number")))
