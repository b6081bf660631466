"""Fetching from a page: somebody waits, so all of it ends within the time of one page."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.html import format_html

from dsintegration import journal
from dsintegration.exceptions import DSError, DSUnavailable
from dsintegration.models import Dossier
from dsintegration.numbers import InvalidNumber, parse_number
from dsintegration.platform.client import WEB_BUDGET, get_client
from dsintegration.platform.sockets import deadline, seconds_left
from dsintegration.services import FetchResult, fetch_dossiers

MAX_NUMBERS = 500
# A fetch that would have less time than that is left for the next page.
SECONDS_WORTH_A_TRY = 2
# Dossiers a request: few, so that a slow platform still gives some within a page's time.
AT_ONCE = 10
# Messages beyond that hide the page; failures are said first.
MAX_MESSAGES = 25


class FetchForm(forms.Form):
    numbers = forms.CharField(
        label="Numéros de dossier",
        widget=forms.Textarea(attrs={"rows": 6, "cols": 40, "autofocus": True}),
        help_text=(
            "Un ou plusieurs, séparés par des virgules, des points-virgules ou des retours à la "
            "ligne. Les blancs à l'intérieur d'un numéro ne gênent pas."
        ),
        error_messages={"required": "Donnez au moins un numéro de dossier."},
    )

    def clean_numbers(self) -> list[int]:
        """The numbers in their order, each once; all of them are checked."""
        numbers: dict[int, None] = {}
        faults = []
        for item in filter(str.strip, re.split(r"[,;\r\n]+", self.cleaned_data["numbers"])):
            try:
                numbers[parse_number(item.strip())] = None
            except InvalidNumber as err:
                faults.append(str(err))
        if faults:
            raise forms.ValidationError([*faults, "Rien n'a été récupéré."])
        if not numbers:
            raise forms.ValidationError("Donnez au moins un numéro de dossier.")
        if len(numbers) > MAX_NUMBERS:
            raise forms.ValidationError(
                f"Cela fait {len(numbers)} dossiers : donnez-en {MAX_NUMBERS} au plus à la fois."
            )
        return list(numbers)


@dataclass
class Batch:
    """What came of each number; `left`: those that were not asked, for want of time or hope."""

    results: list[FetchResult] = field(default_factory=list)
    failures: list[DSError] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    stopped_by: str = ""

    @property
    def is_one_success(self) -> bool:
        return len(self.results) == 1 and not (self.failures or self.left)

    @property
    def to_try_again(self) -> list[int]:
        failed = [err.dossier_number for err in self.failures if isinstance(err, DSUnavailable)]
        return [number for number in failed if number is not None] + self.left


def fetch_within_a_page(numbers: Sequence[int], by: journal.Actor) -> Batch:
    """Fetch in their order what 10 seconds allow.

    Stops at a failure that is not a dossier's own: all the others would meet it.
    """
    batch = Batch()
    try:
        with deadline(WEB_BUDGET):
            outcomes = fetch_dossiers(
                _while_it_is_worth(numbers),
                client=get_client(web=True),
                size=AT_ONCE,
                at_once=1,
                by=by,
            )
            for outcome in outcomes:
                if outcome.result:
                    batch.results.append(outcome.result)
                elif outcome.error:
                    batch.failures.append(outcome.error)
                    if not outcome.error.concerns_dossier:
                        break
    except ImproperlyConfigured as err:
        batch.stopped_by = str(err)
    done = {result.dossier.number for result in batch.results}
    done |= {err.dossier_number for err in batch.failures if err.dossier_number}
    batch.left = [number for number in numbers if number not in done]
    return batch


def _while_it_is_worth(numbers: Sequence[int]) -> Iterator[int]:
    for rank, number in enumerate(numbers):
        left = seconds_left()
        if rank % AT_ONCE == 0 and rank and left is not None and left < SECONDS_WORTH_A_TRY:
            return
        yield number


def log(request: HttpRequest, batch: Batch) -> None:
    """An entry of the admin's log for each number that was asked."""
    content_type = ContentType.objects.get_for_model(Dossier)
    failed = [err.dossier_number for err in batch.failures if err.dossier_number]
    known = Dossier.objects.filter(number__in=failed).in_bulk(field_name="number")

    def entry(number: int | None, pk: int | None, what: str, flag: int = CHANGE) -> LogEntry:
        return LogEntry(
            user=cast(User, request.user),
            content_type=content_type,
            object_id=None if pk is None else str(pk),
            object_repr=f"Dossier n° {number}",
            action_flag=flag,
            change_message=f"Récupération depuis la plateforme : {what}",
        )

    LogEntry.objects.bulk_create(
        [
            entry(
                result.dossier.number,
                result.dossier.pk,
                outcome(result),
                ADDITION if result.created else CHANGE,
            )
            for result in batch.results
        ]
        + [
            entry(number, known[number].pk if number in known else None, err.sentence)
            for err in batch.failures
            if (number := err.dossier_number)
        ]
    )


def outcome(result: FetchResult) -> str:
    return "créé" if result.created else "mis à jour" if result.changed else "inchangé"


def tell(request: HttpRequest, batch: Batch, address_of: Callable[..., str]) -> None:
    """Say what came of each number; beyond some, the successes in one line."""
    if batch.stopped_by:
        messages.error(request, batch.stopped_by)
    for err in batch.failures[:MAX_MESSAGES]:
        messages.error(request, f"Dossier n° {err.dossier_number} : {err.sentence}")
    hidden = len(batch.failures) - MAX_MESSAGES
    if hidden > 0:
        messages.error(request, f"Autres dossiers en échec : {hidden}.")
    if len(batch.results) <= MAX_MESSAGES:
        for result in batch.results:
            link = address_of("dossier_change", result.dossier.pk)
            text = '<a href="{}">Dossier n° {}</a> : {}.'
            messages.success(
                request, format_html(text, link, result.dossier.number, outcome(result))
            )
    else:
        counts = Counter(map(outcome, batch.results))
        parts = ", ".join(f"{what} : {count}" for what, count in counts.items())
        messages.success(request, f"{len(batch.results)} dossiers récupérés ({parts}).")
