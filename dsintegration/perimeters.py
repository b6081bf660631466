"""What an account sees: the démarches of its groups, or all of them.

Whatever shows or counts dossiers to an agent asks here; what is outside does not exist for him.
What a key of the API sees is asked here too: never more than the account that gave it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from dsintegration.models import ApiKey, Demarche, Perimeter

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

    def within(self, other: "Sight") -> "Sight":
        """What both see."""
        if self.demarches is None or other.demarches is None:
            return other if self.demarches is None else self
        common = self.demarches.keys() & other.demarches.keys()
        return Sight({pk: self.demarches[pk] for pk in common})

    def limit(self, rows: QuerySet[Any], path: str = "demarche") -> QuerySet[Any]:
        """Those of the démarches that `path` leads to.

        By id: of the ids themselves PostgreSQL knows how many dossiers each has; of a subquery it
        would guess, and walk a million rows for ten.
        """
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


def sight_of_key(key: ApiKey) -> Sight:
    """What it was given, as far as whoever gave it sees as much today. Read once for each request.

    Of a key that no account gave (a command or code did), what it was given.
    """
    seen: Sight | None = getattr(key, "_dsintegration_sight", None)
    if seen is None:
        given = ALL if key.all_demarches else Sight(key.listed)
        seen = given.within(_sight_of_giver(key)) if key.given_by else given
        key._dsintegration_sight = seen  # type: ignore[attr-defined]
    return seen


def _sight_of_giver(key: ApiKey) -> Sight:
    giver = get_user_model()._default_manager.filter(pk=key.given_by).first()
    return NOTHING if giver is None else sight_of(giver)


def _read(account: Any) -> Sight:
    if not account.is_active:
        return NOTHING
    if account.has_perm(SEE_ALL):
        return ALL
    perimeters = Perimeter.objects.filter(group__in=account.groups.all())
    named = Demarche.objects.filter(perimeters__in=perimeters)
    return Sight(dict(named.values_list("pk", "number")))
