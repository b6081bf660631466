"""The page that reads the form of a démarche, and chooses what is kept of its dossiers."""

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from dsintegration import background, journal
from dsintegration.admin.mirror import MirrorAdmin
from dsintegration.exceptions import DSError
from dsintegration.harmless import on_a_page
from dsintegration.mirror.choices import USES, choose, erase_unchosen, waiting
from dsintegration.models import ChampDescriptor, Demarche
from dsintegration.payloads.selection import Selection
from dsintegration.platform.sockets import WEB_BUDGET, deadline
from dsintegration.templatetags.dossiers import thousands
from dsintegration.words import IN_AN_AGENTS_WORDS, UNCONFIGURED

# Lines of a form on one page: with four boxes each, fewer than the thousand fields that Django
# takes from a page.
AT_ONCE = 200
PEOPLE = {
    "demandeur": "Le demandeur : personne ou entreprise, et son mandataire",
    "instruction": (
        "L'instruction : groupe instructeur, instructeurs, labels, historique et motivation"
    ),
}


class KeepingAdmin(MirrorAdmin):
    """The part of the démarches that says what is kept of them."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.form_view)
        name = "dsintegration_demarche_form"
        return [path("<path:object_id>/formulaire/", view, name=name), *super().get_urls()]

    def form_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        demarche: Any = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, demarche):
            raise PermissionDenied
        if demarche is None:
            response: HttpResponse = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
                request, self.opts, object_id
            )
            return response
        rows = list(demarche.champs.select_related("demarche"))
        errors: list[str] = []
        if request.method == "POST":
            errors = self._do(request, demarche, rows)
            if not errors:
                return HttpResponseRedirect(request.get_full_path())
        return self._page(request, demarche, rows, errors)

    def _do(self, request: HttpRequest, demarche: Demarche, rows: list[Any]) -> list[str]:
        """What the button says; gives what is wrong with the boxes."""
        match request.POST.get("do"):
            case "read":
                _read(request, demarche)
            case "all":
                _keep(request, demarche, rows, {row.pk for row in rows if not row.gone_since})
            case "none":
                _keep(request, demarche, rows, ())
            case "save":
                return self._save(request, demarche, rows)
        return []

    def _save(self, request: HttpRequest, demarche: Demarche, rows: list[Any]) -> list[str]:
        """The boxes of the lines that the page showed; others stay as they are."""
        shown = set(request.POST.get("shown", "").split(","))
        errors = []
        for row in rows:
            if str(row.pk) not in shown:
                continue
            row.is_kept = row.can_be_kept and _is_ticked(request, "is_kept", row)
            row.in_list = row.can_be_a_column and _is_ticked(request, "in_list", row)
            row.is_searchable = row.can_be_searched and _is_ticked(request, "is_searchable", row)
            row.hidden_from_api = row.can_be_kept and _is_ticked(request, "hidden_from_api", row)
        kept = {row.ds_id for row in rows if row.is_kept}
        for row in rows:
            holder = row.repetition or row.ds_id
            if (row.in_list or row.is_searchable) and holder not in kept:
                use = "en faire une colonne" if row.in_list else "chercher par lui"
                errors.append(f"« {on_a_page(row.label)} » : conservez-le aussi, pour {use}.")
        if not errors:
            people = {name: name in request.POST for name in PEOPLE}
            _keep(request, demarche, rows, {row.pk for row in rows if row.is_kept}, **people)
        return errors

    def _page(
        self, request: HttpRequest, demarche: Demarche, rows: list[Any], errors: list[str]
    ) -> HttpResponse:
        parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)] or [[]]
        given = request.GET.get("partie", "1")
        rank = min(int(given), len(parts)) if given.isascii() and given.isdigit() else 1
        rank = max(rank, 1)
        lines = parts[rank - 1]
        first_reading = all(row.is_new for row in rows)
        heading = "Ce qui est conservé des dossiers"
        context = {
            **self.admin_site.each_context(request),
            "title": f"Erreur : {heading}" if errors else heading,
            "heading": heading,
            "opts": self.opts,
            "demarche": demarche,
            "lines": lines,
            "shown": ",".join(str(row.pk) for row in lines),
            "parts": range(1, len(parts) + 1) if len(parts) > 1 else (),
            "part": rank,
            "per_part": AT_ONCE,
            "first_annotation": next((row.pk for row in rows if row.is_annotation), None),
            "news": [] if first_reading else [row for row in rows if row.is_new],
            "gone": [row for row in rows if row.gone_since],
            "kept": [row for row in rows if row.is_kept],
            "possible": [row for row in rows if row.can_be_kept and not row.gone_since],
            "people": [
                (name, label, bool(_people(request, demarche, name, errors)))
                for name, label in PEOPLE.items()
            ],
            "errors": errors,
            "waiting": waiting(demarche),
        }
        template = "admin/dsintegration/demarche/form.html"
        return TemplateResponse(request, template, context)


def _is_ticked(request: HttpRequest, name: str, row: ChampDescriptor) -> bool:
    return str(row.pk) in request.POST.getlist(name)


def _people(request: HttpRequest, demarche: Demarche, name: str, errors: list[str]) -> Any:
    return name in request.POST if errors else demarche.selection.get(name)


def _read(request: HttpRequest, demarche: Demarche) -> None:
    # No project waits at its start for what this imports (gql, pydantic).
    from dsintegration.services import read_form

    known = set(demarche.champs.values_list("ds_id", flat=True))
    try:
        with deadline(WEB_BUDGET):
            read = read_form(demarche.number)
    except ImproperlyConfigured:
        messages.error(request, UNCONFIGURED)
        return
    except DSError as err:
        sentence = IN_AN_AGENTS_WORDS.get(err.reason, err.sentence)
        messages.error(request, f"Le formulaire n'a pas été lu, rien n'a changé : {sentence}")
        return
    rows = list(read.champs.all())
    news = sum(row.ds_id not in known for row in rows) if known else 0
    told = f", nouvelles : {news}" if news else ""
    lines = sum(row.gone_since is None for row in rows)
    messages.success(request, f"Formulaire lu (lignes : {thousands(lines)}{told}).")


def _keep(
    request: HttpRequest,
    demarche: Demarche,
    rows: Iterable[ChampDescriptor],
    kept: Collection[int],
    **people: bool,
) -> None:
    """Write the choice, and leave for after the page what it erases."""
    was, searched = Selection.of(demarche.selection), demarche.selection.get("searchable")
    lists: list[list[str]] = [
        [
            row.ds_id
            for row in rows
            if row.is_annotation is kind and row.can_be_kept and row.pk in kept
        ]
        for kind in (False, True)
    ]
    in_kept = {row.ds_id for row in rows if row.pk in kept}
    uses = {
        row.ds_id: [use for use in USES if getattr(row, use)]
        if (row.repetition or row.ds_id) in in_kept
        else []
        for row in rows
    }
    try:
        choose(
            demarche,
            by=journal.user(request.user),
            champs=lists[0],
            annotations=lists[1],
            uses=uses,
            **people,
        )
    except DSError as busy:
        messages.error(request, f"Rien n'a changé : {busy.sentence}")
        return
    now, searches = Selection.of(demarche.selection), demarche.selection.get("searchable")
    reindex = bool(now) and searches != searched
    less = not now.covers(was)
    if reindex or now.key != was.key:
        work = str(demarche.pk), was.as_json(), reindex
        if not background.hand_over("dsintegration.erase_unchosen", *work):
            background.run_later(erase_unchosen, *work)
    said = ["Choix enregistré."]
    if less:
        said.append("Ce qui n'est plus choisi s'efface.")
    if (due := waiting(demarche)) and not was.covers(now):
        said.append(
            f"Le prochain rafraîchissement récupérera le contenu de {thousands(due)} dossiers."
            if due > 1
            else "Le prochain rafraîchissement récupérera le contenu d'un dossier."
        )
    messages.success(request, " ".join(said))
