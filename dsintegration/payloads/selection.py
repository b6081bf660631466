"""What is asked of the form of a démarche, and so all of it that ever leaves the platform."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

# Beyond, a form of which everything is chosen is asked for in one piece.
FEW = 20
# The platform counts points, 60,000 a request at most. Of one champ that is asked for by its id, of
# the whole list, and of what comes beside it; measured on its schema, and rounded up.
CHAMP_POINTS, LIST_POINTS, BASE_POINTS, MOST_POINTS = 45, 400, 120, 50_000


@dataclass(frozen=True)
class Selection:
    """`champs`, `annotations`: the ids of the descriptors that are kept, in the form's order.

    `all_champs`, `all_annotations`: nothing of the form as it was last read, nor of
    what it had before, is left out.
    """

    champs: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    demandeur: bool = False
    instruction: bool = False
    all_champs: bool = False
    all_annotations: bool = False

    def __bool__(self) -> bool:
        return bool(self.champs or self.annotations or self.demandeur or self.instruction)

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> Self:
        """Of what `as_json` gave; what else stands there is not its own."""
        data = data or {}
        given: dict[str, Any] = {
            field.name: data[field.name] for field in fields(cls) if field.name in data
        }
        for name in ("champs", "annotations"):
            given[name] = tuple(given.get(name, ()))
        return cls(**given)

    def as_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self))) if self else {}

    @cached_property
    def key(self) -> str:
        """Of what was chosen, however it is asked for; "" for nothing."""
        chosen = [sorted(self.champs), sorted(self.annotations), self.demandeur, self.instruction]
        return sha256(json.dumps(chosen).encode()).hexdigest()[:16] if self else ""

    def covers(self, other: "Selection") -> bool:
        """Whether whoever asked for this has all that `other` asks for."""
        return (
            set(self.champs) >= set(other.champs)
            and set(self.annotations) >= set(other.annotations)
            and self.demandeur >= other.demandeur
            and self.instruction >= other.instruction
        )

    @property
    def champs_are_whole(self) -> bool:
        return self.all_champs and len(self.champs) > FEW

    @property
    def annotations_are_whole(self) -> bool:
        return self.all_annotations and len(self.annotations) > FEW

    @property
    def most_at_once(self) -> int:
        """How many dossiers one request may ask for."""
        points = BASE_POINTS
        points += LIST_POINTS if self.champs_are_whole else CHAMP_POINTS * len(self.champs)
        is_whole = self.annotations_are_whole
        points += LIST_POINTS if is_whole else CHAMP_POINTS * len(self.annotations)
        return max(1, MOST_POINTS // points)


NOTHING = Selection()


def only(champs: list[dict[str, Any]] | None, chosen: Iterable[str]) -> list[dict[str, Any]] | None:
    """None where nothing is chosen."""
    chosen = set(chosen)
    if champs is None or not chosen:
        return None
    return [champ for champ in champs if champ["id"] in chosen]


def champs_with_files(*lists: list[dict[str, Any]] | None) -> set[str]:
    """The ids of the champs that may have files, those in rows of repetitions included."""
    found = set[str]()
    for champ in (champ for champs in lists for champ in champs or ()):
        found |= {champ["champ"]} if "champ" in champ else champs_with_files(*champ.get("rows", ()))
    return found
