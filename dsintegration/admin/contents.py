"""What is kept of a dossier beside the mirror's columns, as its page shows it: as the form is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dsintegration.models import ChampDescriptor, Dossier, File
from dsintegration.perimeters import Sight

# The rank of the titles of sections among the page's headings.
TOP = 3


@dataclass
class Section:
    """Answers below the titles that lead to them; `titles`: those that no section before it has
    shown, each with its rank among the page's headings.
    """

    titles: list[tuple[int, str]]
    champs: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """`is_due`: more is chosen than is here; `links`: keys of the other dossiers that the account
    may see, by number; `files`: by the id of their champ, or by their place.
    """

    sections: list[Section]
    annotations: list[Section]
    links: dict[int, int]
    files: dict[str, list[File]]
    is_due: bool

    def __bool__(self) -> bool:
        return bool(self.sections or self.annotations)


def shown_of(dossier: Dossier, sight: Sight) -> Shown:
    """Three statements at most, whatever the length of the form."""
    key = dossier.demarche.selection_key
    rows: list[ChampDescriptor] = []
    if dossier.champs or dossier.annotations:
        rows = list(dossier.demarche.champs.all())
    form = [row for row in rows if not row.is_annotation]
    annotations = [row for row in rows if row.is_annotation]
    linked = set(_linked(dossier.champs or (), dossier.annotations or ()))
    links = {}
    if linked:
        visible = sight.limit(Dossier.objects.filter(number__in=linked))
        links = dict(visible.values_list("number", "pk"))
    return Shown(
        sections=_sections(dossier.champs or [], form),
        annotations=_sections(dossier.annotations or [], annotations),
        links=links,
        files=_files(dossier),
        is_due=bool(key) and dossier.content_key != key,
    )


def _files(dossier: Dossier) -> dict[str, list[File]]:
    found: dict[str, list[File]] = {}
    if dossier.file_marks:
        for file in dossier.files.filter(message=None):
            found.setdefault(file.champ_id or file.place, []).append(file)
    return found


def _sections(champs: list[dict[str, Any]], rows: list[ChampDescriptor]) -> list[Section]:
    """In the form's order; what it does not know comes last."""
    answers = {champ["id"]: champ for champ in champs}
    sections: list[Section] = []
    above: list[tuple[int, str]] = []
    told = 0  # how many of the titles above have been shown
    for row in rows:
        if row.type == "HeaderSection" and row.gone_since is None:
            level = row.level or 1
            above = [title for title in above if title[0] < level] + [(level, row.label)]
            told = min(told, len(above) - 1)
        elif champ := answers.pop(row.ds_id, None):
            if not sections or told < len(above):
                titles = [(min(TOP + depth, 6), title) for depth, (_, title) in enumerate(above)]
                sections.append(Section(titles[told:]))
                told = len(above)
            sections[-1].champs.append(champ)
    if answers:
        sections.append(Section([], list(answers.values())))
    return sections


def _linked(*lists: Iterable[dict[str, Any]]) -> Iterator[int]:
    for champ in (champ for champs in lists for champ in champs):
        if champ["type"] == "DossierLinkChamp" and champ.get("value"):
            yield champ["value"]
        yield from _linked(*champ.get("rows", ()))
