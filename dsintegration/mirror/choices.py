"""What each démarche keeps of its dossiers: its form as it was read, what was chosen of it.

Nothing by default. A new revision keeps the choices by the ids of the descriptors, which survive
it. Choosing less erases (`prune`), at once or with the next purge; choosing more leaves the
dossiers due (`incomplete`), which the next refresh fetches.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dsintegration import journal
from dsintegration.mirror.files import drop_files
from dsintegration.mirror.locking import A_PAGE, PATIENCE, save_platform, writing
from dsintegration.mirror.values import rewrite_values
from dsintegration.models import Action, ChampDescriptor, Demarche, Dossier, Outcome
from dsintegration.models.mirror import CONTENT
from dsintegration.payloads.selection import Selection, only

if TYPE_CHECKING:  # pages that choose are not to wait for pydantic
    from dsintegration.payloads.form import FormPayload

# By hand: it is part of each fetch.
SELECTIONS = """
SELECT number, selection, EXISTS (
    SELECT 1 FROM dsintegration_dossier AS dossier
    WHERE dossier.number = %s AND dossier.demarche_id = dsintegration_demarche.id
) FROM dsintegration_demarche WHERE selection_key <> ''
"""
# Rows of one transaction: some tens of milliseconds.
AT_ONCE = 200
# A content that cannot be read is asked for again when its dossier moves, and after that.
PAUSE = timedelta(days=1)
# What a champ that is kept may be good for, beside being read.
USES = ("in_list", "is_searchable", "hidden_from_api")


class UnknownChamps(ValueError):
    """Ids that the form does not have, or that cannot be chosen by themselves: nothing changed."""

    def __init__(self, ids: Collection[str]) -> None:
        self.ids = sorted(ids)
        super().__init__(f"{len(self.ids)} unknown champs")


@dataclass(frozen=True)
class Selections:
    """By the number of the démarche, of those that keep anything; `home`: that of one dossier."""

    by_demarche: dict[int, Selection]
    home: int | None = None

    def of(self, demarche: int | None) -> Selection:
        return self.by_demarche.get(demarche or 0, Selection())


# Whether this process has seen that nobody chose anything. It asks for nothing then, which is never
# too much; where somebody chose meanwhile, what it stores tells (`notice`), and it looks again.
_seen_nothing: set[bool] = set()


def selections() -> Selections:
    """What all démarches keep."""
    return _read(0)


def selections_for(dossier: int) -> Selections:
    """The same, with the démarche of that dossier; no statement where nothing is chosen."""
    return Selections({}) if _seen_nothing else _read(dossier)


def notice(demarches: Iterable[Demarche]) -> None:
    """What was stored is of these."""
    if _seen_nothing and any(demarche.selection_key for demarche in demarches):
        _seen_nothing.clear()


def _read(dossier: int) -> Selections:
    with connection.cursor() as cursor:
        cursor.execute(SELECTIONS, [dossier])
        rows = cursor.fetchall()
    if not rows:
        _seen_nothing.add(True)
    found = {
        number: Selection.of(json.loads(kept) if isinstance(kept, str) else kept)
        for number, kept, _ in rows
    }
    return Selections(found, next((number for number, _, is_its in rows if is_its), None))


def store_form(
    payload: "FormPayload", demarche: Demarche, at: datetime, patience: float = PATIENCE
) -> None:
    """The form as it is now: what is new in it, what it has no longer; choices stay.

    Raises as `writing`.
    """
    with writing(None, patience):
        known = {row.ds_id: row for row in demarche.champs.all()}
        rows = []
        for rank, line in enumerate(payload.fields):
            row = known.pop(line.id, None) or ChampDescriptor(
                demarche=demarche, ds_id=line.id, first_read_at=at
            )
            row.label, row.type, row.required = line.label, line.type, line.required
            row.is_annotation, row.repetition = line.is_annotation, line.repetition
            row.level, row.rank, row.gone_since = line.level, rank, None
            rows.append(row)
        for row in known.values():
            row.gone_since = row.gone_since or at
        given = ("label", "type", "required", "is_annotation", "repetition", "level", "rank")
        old = [row for row in rows if row.pk]
        ChampDescriptor.objects.bulk_update([*old, *known.values()], [*given, "gone_since"])
        ChampDescriptor.objects.bulk_create(row for row in rows if row.pk is None)
        demarche.form_read_at = at
        _set_selection(demarche)


def choose(
    demarche: Demarche,
    *,
    by: journal.Actor,
    champs: Collection[str] | None = None,
    annotations: Collection[str] | None = None,
    demandeur: bool | None = None,
    instruction: bool | None = None,
    uses: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Keep these, and of each kind no others; None: as it is. Raises UnknownChamps, and as
    `writing`.

    `uses`: which of USES the champs of these ids have, by the id; others stay as they are.
    """
    with writing(None, A_PAGE):
        demarche.refresh_from_db(fields=["selection", "selection_key"])
        before = demarche.selection
        rows = {row.ds_id: row for row in demarche.champs.all()}
        for chosen, is_annotation in ((champs, False), (annotations, True)):
            if chosen is None:
                continue
            possible = {
                ds_id
                for ds_id, row in rows.items()
                if row.is_annotation is is_annotation and row.can_be_kept
            }
            if unknown := set(chosen) - possible:
                raise UnknownChamps(unknown)
            for ds_id in possible:
                rows[ds_id].is_kept = ds_id in chosen
        for ds_id in rows.keys() & (uses or {}).keys():
            for use in USES:
                setattr(rows[ds_id], use, use in (uses or {})[ds_id])
        ChampDescriptor.objects.bulk_update(rows.values(), ["is_kept", *USES])
        _set_selection(demarche, demandeur=demandeur, instruction=instruction)
        _tell(demarche, before, by)


def _set_selection(
    demarche: Demarche, *, demandeur: bool | None = None, instruction: bool | None = None
) -> None:
    former = Selection.of(demarche.selection)
    rows = [row for row in demarche.champs.order_by("rank") if row.can_be_kept]
    lists: dict[str, Any] = {}
    for name, is_annotation in (("champs", False), ("annotations", True)):
        of_kind = [row for row in rows if row.is_annotation is is_annotation]
        lists[name] = tuple(row.ds_id for row in of_kind if row.is_kept)
        # Dossiers of former revisions still answer what is gone from the form.
        lists[f"all_{name}"] = all(row.is_kept for row in of_kind)
    selection = Selection(
        **lists,
        demandeur=former.demandeur if demandeur is None else demandeur,
        instruction=former.instruction if instruction is None else instruction,
    )
    uses = {
        "searchable": demarche.champs.filter(is_searchable=True),
        "hidden": demarche.champs.hidden_from_api(),
    }
    ids = {name: sorted(rows.values_list("ds_id", flat=True)) for name, rows in uses.items()}
    kept = selection.as_json()
    demarche.selection = kept | ids if kept else {}
    demarche.selection_key = selection.key
    demarche.save(update_fields=["selection", "selection_key", "form_read_at"])
    _seen_nothing.clear()


def _tell(demarche: Demarche, before: dict[str, Any], by: journal.Actor) -> None:
    """For the journal: how many of each there are now, and how many there were."""
    after, parts = demarche.selection, []
    for name in ("champs", "annotations", "searchable", "hidden"):
        was, now = before.get(name, []), after.get(name, [])
        if set(was) != set(now):
            parts.append(f"{name}={len(was)}>{len(now)}")
    parts += [
        f"{name}={'yes' if after.get(name) else 'no'}"
        for name in ("demandeur", "instruction")
        if bool(before.get(name)) != bool(after.get(name))
    ]
    if parts:
        detail, number = ",".join(parts), demarche.number
        entry = by.entry(Action.CHOOSE, Outcome.DONE, demarche=number, detail=detail, count=0)
        journal.write(entry)


def waiting(demarche: Demarche) -> int:
    """How many of its dossiers have not yet all that is chosen."""
    if not demarche.selection_key:
        return 0
    rows = Dossier.objects.filter(demarche=demarche, absent_since=None)
    return rows.exclude(content_key=demarche.selection_key).count()


def erase_unchosen(pk: str, was: Mapping[str, Any], reindex: bool) -> None:
    """What a choice leaves for after the page: `prune`, of the démarche of that key."""
    if demarche := Demarche.objects.filter(pk=pk).first():
        for _ in prune(demarche, Selection.of(was), reindex=reindex):
            pass


def incomplete(demarches: QuerySet[Demarche]) -> Iterator[int]:
    """The numbers of dossiers of which more is chosen than is here."""
    may_be_asked = Q(content_error_at=None) | Q(content_error_at__lt=timezone.now() - PAUSE)
    for demarche in demarches.exclude(selection_key=""):
        rows = Dossier.objects.filter(may_be_asked, demarche=demarche, absent_since=None)
        rows = rows.filter(next_try_at=None).exclude(content_key=demarche.selection_key)
        yield from rows.order_by("pk").values_list("number", flat=True).iterator()


def unpruned() -> QuerySet[Demarche]:
    """Démarches of which dossiers may hold what is no longer chosen."""
    rows = Dossier.objects.exclude(content_key=F("demarche__selection_key"))
    rows = rows.exclude(content_key="")
    return Demarche.objects.filter(pk__in=rows.order_by().values("demarche"))


def prune(
    demarche: Demarche, was: Selection | None = None, *, reindex: bool = False
) -> Iterator[int]:
    """Erase what is no longer chosen; how many dossiers changed, batch by batch.

    `was`: the former choice, where it had all of the present one: nothing is to be fetched then.
    `reindex`: bring the index of all their answers up to date, too.
    """
    last = 0
    while True:
        with writing(None) as platform:
            demarche.refresh_from_db(fields=["selection", "selection_key"])
            selection = Selection.of(demarche.selection)
            held = Dossier.objects.filter(demarche=demarche, pk__gt=last).exclude(content_key="")
            if not reindex:
                held = held.exclude(content_key=selection.key)
            rows = list(held.order_by("pk")[:AT_ONCE])
            if not rows:
                return
            changed = [row for row in rows if _drop(row, selection)]
            drop_files(changed)
            for row in changed:
                platform.version += 1
                row.version, row.changed_at = platform.version, timezone.now()
            covered = was is not None and was.covers(selection)
            for row in rows:
                if not selection or (covered and was and row.content_key == was.key):
                    row.content_key = selection.key
            fields = [*CONTENT, "file_marks", "content_key", "version", "changed_at"]
            Dossier.objects.bulk_update(rows, fields)
            rewrite_values(rows if reindex else changed, demarche)
            if changed:
                save_platform(platform)
        last = rows[-1].pk
        yield len(changed)


def _drop(dossier: Dossier, selection: Selection) -> bool:
    """Take from the row what is not chosen; whether there was any."""
    kept = {
        "demandeur": dossier.demandeur if selection.demandeur else None,
        "instruction": dossier.instruction if selection.instruction else None,
        "champs": only(dossier.champs, selection.champs),
        "annotations": only(dossier.annotations, selection.annotations),
    }
    differ = [name for name, value in kept.items() if getattr(dossier, name) != value]
    for name in differ:
        setattr(dossier, name, kept[name])
    return bool(differ)
