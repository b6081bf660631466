"""What the export says of answers: a column a champ, and a sheet for the rows of repetitions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet

from dsintegration.admin.export import Cell, Column, cell_of
from dsintegration.models import ChampDescriptor, Dossier
from dsintegration.models.mirror import CONTENT
from dsintegration.templatetags.champs import line_of

# Beyond, nobody reads the sheet: whoever wants champs exports fewer démarches.
MAX_CHAMPS = 500


class Answers:
    """What is chosen of the démarches of these dossiers; `are_too_many`: and is left out."""

    def __init__(self, dossiers: QuerySet[Dossier]) -> None:
        kept = ChampDescriptor.objects.select_related("demarche").filter(
            demarche__in=dossiers.order_by().values("demarche")
        )
        rows = list(kept.order_by("demarche__number", "is_annotation", "rank"))
        blocks = {row.ds_id for row in rows if row.is_kept and row.type == "Repetition"}
        rows = [row for row in rows if row.is_kept or row.repetition in blocks]
        self.are_too_many = len(rows) > MAX_CHAMPS
        if self.are_too_many:
            rows = []
        self._are_several = len({row.demarche_id for row in rows}) > 1
        self._champs = [row for row in rows if row.is_kept]
        self._inner = [row for row in rows if not row.is_kept]
        self.columns = [Column(self._title(row), _of(row), 24) for row in self._champs]

    @property
    def deferred(self) -> list[str]:
        """What of the content no column needs."""
        needed = {_list_of(row) for row in self._champs}
        return [name for name in CONTENT if name not in needed]

    @property
    def have_rows(self) -> bool:
        return bool(self._inner)

    @property
    def columns_of_rows(self) -> list[Column]:
        fixed = (("Numéro", 11), ("Bloc", 30), ("Ligne", 8))
        said = [Column(title, lambda _: None, width) for title, width in fixed]
        return [*said, *(Column(self._title(row), lambda _: None, 24) for row in self._inner)]

    def rows(self, dossiers: Iterable[Dossier]) -> Iterator[Sequence[Cell]]:
        """Of the second sheet: each row of a repetition, below the number of its dossier."""
        lists = [name for name in CONTENT if name not in self.deferred]
        for dossier in dossiers:
            for block in (block for name in lists for block in getattr(dossier, name) or ()):
                for rank, row in enumerate(block.get("rows", ()), start=1):
                    found = {champ["id"]: champ for champ in row}
                    yield [
                        dossier.number,
                        cell_of(block["label"]),
                        rank,
                        *(_cell(found.get(inner.ds_id)) for inner in self._inner),
                    ]

    def _title(self, row: ChampDescriptor) -> str:
        return f"{row.label} (n° {row.demarche.number})" if self._are_several else row.label


def _list_of(row: ChampDescriptor) -> str:
    return "annotations" if row.is_annotation else "champs"


def _of(row: ChampDescriptor) -> Callable[[Dossier], Any]:
    name = _list_of(row)

    def value(dossier: Dossier) -> Any:
        champs = getattr(dossier, name) or ()
        return _value(next((champ for champ in champs if champ["id"] == row.ds_id), None))

    return value


def _cell(champ: dict[str, Any] | None) -> Cell:
    return cell_of(_value(champ))


def _value(champ: dict[str, Any] | None) -> Any:
    """A day, a moment or a number where it is one; a line of text otherwise."""
    value = champ.get("value") if champ else None
    match champ and champ["type"]:
        case "DateChamp" if value:
            return date.fromisoformat(value)
        case "DatetimeChamp" if value:
            return datetime.fromisoformat(value)
        case "IntegerNumberChamp" | "DecimalNumberChamp":
            return value
    return (line_of(champ) or None) if champ else None
