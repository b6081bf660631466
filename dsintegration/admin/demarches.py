"""Démarches: their dossiers, whether they are followed, whether their decisions are hidden."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dsintegration.admin.keeping import KeepingAdmin
from dsintegration.admin.mirror import in_words
from dsintegration.admin.searching import find_demarches
from dsintegration.harmless import on_a_page
from dsintegration.mirror.following import begin_again
from dsintegration.mirror.summary import summary
from dsintegration.models import Demarche, Dossier
from dsintegration.payloads.selection import Selection
from dsintegration.perimeters import sight_of
from dsintegration.templatetags.dossiers import moment, thousands

FOLLOWED = "Le prochain rafraîchissement récupérera tous les dossiers de cette démarche."
NO_LONGER = "Cette démarche n'est plus suivie ; ses dossiers restent ici, et restent à jour."


class CountedChangeList(ChangeList):
    """Each démarche with its `counts` by état, out of the summary: no count of its own."""

    as_of: datetime

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        counted = summary()
        self.as_of = counted.as_of
        for demarche in self.result_list:
            demarche.counts = counted.demarches.get(demarche.pk, Counter())
            demarche.to_answer = counted.to_answer[demarche.pk]


def _count_of(state: Dossier.State) -> Callable[[Any], str]:
    @admin.display(description=state.label)
    def cell(demarche: Any) -> str:
        return thousands(demarche.counts[state.value])

    return cell


@admin.register(Demarche)
class DemarcheAdmin(KeepingAdmin):
    path_to_demarche = "pk"
    change_form_template = "admin/dsintegration/demarche/change_form.html"
    list_display = (
        "number",
        "shown_title",
        *map(_count_of, Dossier.State),
        "dossiers",
        "to_answer",
        in_words("followed", "suivie"),
        in_words("decision_hidden", "décision masquée"),
    )
    list_display_links = ("number", "shown_title")
    ordering = ("title", "number")
    search_fields = ("title", "=number")
    search_help_text = "Numéro, ou mots du titre"
    fields = ("number", "shown_title", "fetched", "content", "followed", "read", "decision_hidden")
    readonly_fields = ("number", "shown_title", "fetched", "content", "read")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CountedChangeList

    @admin.display(description="titre", ordering="title")
    def shown_title(self, demarche: Any) -> str:
        return on_a_page(demarche.title)

    @admin.display(description="récupérée le")
    def fetched(self, demarche: Any) -> str:
        return moment(demarche.fetched_at)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        found = find_demarches(search_term, sight_of(request.user))
        return queryset.filter(pk__in=found), False

    @admin.display(description="contenu des dossiers")
    def content(self, demarche: Any) -> str:
        """What is kept of it, in short."""
        selection = Selection.of(demarche.selection)
        kept = [*selection.champs, *selection.annotations]
        said = [f"champs : {thousands(len(kept))}"] if kept else []
        said += [name for name in ("demandeur", "instruction") if getattr(selection, name)]
        return ", ".join(said) or "rien n'est conservé"

    @admin.display(description="lecture de sa liste")
    def read(self, demarche: Any) -> str | SafeString:
        """How far all of it is here, and whether the platform still gives it."""
        if not demarche.followed:
            return "Seuls les dossiers que quelqu'un a demandés sont ici."
        if demarche.list_tries and demarche.next_list_at:
            return format_html(
                "La plateforme ne la donne pas (échecs de suite : {}). Elle est redemandée après "
                "le {} ; si cela dure, prévenez la personne qui exploite cette application.",
                demarche.list_tries,
                moment(demarche.next_list_at),
            )
        if demarche.read_until:
            return format_html(
                "Tout ce qui a bougé avant le {} est ici.", moment(demarche.read_until)
            )
        if demarche.reading_cursor:
            here = thousands(demarche.dossiers.count())
            return f"Récupération commencée, dossiers déjà ici : {here}."
        return "Au prochain rafraîchissement."

    @admin.display(description="Total")
    def dossiers(self, demarche: Any) -> SafeString:
        link = self.address_of("dossier_changelist")
        return format_html(
            '<a href="{}?demarche__id__exact={}">{}</a>',
            link,
            demarche.pk,
            thousands(demarche.counts.total()),
        )

    @admin.display(description="À répondre")
    def to_answer(self, demarche: Any) -> SafeString:
        link = self.address_of("dossier_changelist")
        return format_html(
            '<a href="{}?demarche__id__exact={}&amp;situation=a_repondre">{}</a>',
            link,
            demarche.pk,
            thousands(demarche.to_answer),
        )

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """For the boxes that are ours; everything else is shown, not edited."""
        return request.user.has_perm("dsintegration.change_demarche")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The boxes alone: a title may have come from the platform meanwhile."""
        obj.save(update_fields=["decision_hidden"])
        if "followed" in form.changed_data:
            begin_again(obj)
            messages.info(request, FOLLOWED if obj.followed else NO_LONGER)
