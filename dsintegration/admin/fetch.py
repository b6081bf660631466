"""Fetching what an agent asks for: what fits within a page at once, the rest after it.

Whose dossiers they may be is checked on the platform's answer, before anything is stored; what is
outside the agent's perimeter is told in the words of what does not exist.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from dsintegration import background, journal
from dsintegration.admin.pasting import Pasted, read_pasted
from dsintegration.exceptions import DSError, DSUnavailable, Reason
from dsintegration.models import Dossier, FetchLot
from dsintegration.perimeters import Sight, sight_of
from dsintegration.platform.sockets import WEB_BUDGET, deadline, seconds_left
from dsintegration.templatetags.dossiers import thousands
from dsintegration.words import UNCONFIGURED

if TYPE_CHECKING:
    from dsintegration.payloads.dossiers import DossierPayload
    from dsintegration.services import FetchResult


MAX_NUMBERS = 500
# A fetch that would have less time than that is left for after the page.
SECONDS_WORTH_A_TRY = 2
# Dossiers a request: few, so that a slow platform still gives some within a page's time.
AT_ONCE = 10
# Lines that could not be read, and are told one by one.
MAX_UNREAD = 10

OUT_OF_TIME = {Reason.TIMEOUT, Reason.NETWORK}

OUTSIDE = "outside"
# For whom there is an outside: one sentence for all that might be there.
OUTSIDE_SENTENCE = (
    "il n'a pas pu être récupéré : numéro erroné, brouillon pas encore déposé, dossier supprimé ou "
    "hors de votre périmètre, ou trop long à obtenir pour l'instant."
)


class FetchForm(forms.Form):
    numbers = forms.CharField(
        label="Numéros de dossier",
        widget=forms.Textarea(
            attrs={
                "rows": 8,
                "cols": 60,
                "autofocus": True,
                "aria-describedby": "id_numbers_helptext",
            }
        ),
        help_text=(
            "Un ou plusieurs, par exemple collés depuis un tableur : un par ligne, ou séparés par "
            "des virgules ou des points-virgules. Les titres et les autres colonnes ne gênent pas."
        ),
        error_messages={"required": "Donnez au moins un numéro de dossier."},
    )
    # The button that leaves what could not be read aside.
    anyway = forms.BooleanField(required=False)

    pasted = Pasted()

    def clean_numbers(self) -> list[int]:
        """The numbers in their order, each once."""
        self.pasted = read_pasted(self.cleaned_data["numbers"])
        unread, numbers = self.pasted.unread, self.pasted.numbers
        if unread and not ("anyway" in self.data and numbers):
            told = unread[:MAX_UNREAD]
            if len(unread) > MAX_UNREAD:
                told.append(f"Autres lignes illisibles : {len(unread) - MAX_UNREAD}.")
            raise forms.ValidationError([*told, "Rien n'a été récupéré."])
        if not numbers:
            raise forms.ValidationError("Donnez au moins un numéro de dossier.")
        if len(numbers) > MAX_NUMBERS:
            raise forms.ValidationError(
                f"Cela fait {thousands(len(numbers))} dossiers : donnez-en {MAX_NUMBERS} au plus "
                "à la fois."
            )
        return numbers


@dataclass
class Batch:
    """What came of each number; `left`: those that were not asked, for want of time or hope.

    `stopped_by`: the failure that all the others would have met, in a sentence.
    """

    sight: Sight
    results: "list[FetchResult]" = field(default_factory=list)
    failures: list[DSError] = field(default_factory=list)
    outside: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    stopped_by: str = ""

    @property
    def is_one_success(self) -> bool:
        return len(self.results) == 1 and not (self.failures or self.left or self.outside)

    @property
    def words(self) -> dict[int, str]:
        """What came of each number that was asked, in the journal's words."""
        words = {result.dossier.number: result.outcome.value for result in self.results}
        words |= dict.fromkeys(self.outside, OUTSIDE)
        own = {err.dossier_number: err for err in self.failures if err.dossier_number}
        told = self.known_among(own)
        for number, err in own.items():
            shown = number in told or not err.concerns_dossier
            words[number] = journal.word(err) if shown else OUTSIDE
        return words

    @property
    def to_try_again(self) -> list[int]:
        words = self.words
        failed = [err.dossier_number for err in self.failures if isinstance(err, DSUnavailable)]
        # What is outside is not told apart by being proposed again.
        return [n for n in failed if n is not None and words[n] != OUTSIDE] + self.left

    def known_among(self, numbers: Collection[int]) -> set[int]:
        """Those that the account may know to exist."""
        if self.sight.is_whole:
            return set(numbers)
        here = self.sight.limit(Dossier.objects.filter(number__in=numbers))
        return set(here.values_list("number", flat=True))

    def end_without(self, cut_off: Collection[int]) -> None:
        """The page's time was over while these were asked.

        What the account does not know to exist is told as what does not exist: that it is slow
        would say that it does.
        """
        self.outside += sorted(set(cut_off) - self.known_among(cut_off))


def wanted_by(sight: Sight, payload: "DossierPayload") -> bool:
    return sight.sees(payload.demarche.number)


def fetch_within_a_page(numbers: Sequence[int], account: AbstractBaseUser | AnonymousUser) -> Batch:
    """Fetch in their order what 10 seconds allow.

    Stops at a failure that is not a dossier's own: all the others would meet it.
    """
    with deadline(WEB_BUDGET):
        return _fetch(_while_it_is_worth(numbers), numbers, account, web=True)


def _fetch(
    asked: Iterator[int] | Sequence[int],
    numbers: Sequence[int],
    account: AbstractBaseUser | AnonymousUser,
    *,
    web: bool,
) -> Batch:
    # No project waits at its start for what these import (gql, pydantic).
    from dsintegration.platform.client import get_client
    from dsintegration.services import fetch_dossiers

    sight = sight_of(account)
    batch = Batch(sight)
    cut_off: list[int] = []
    try:
        outcomes = fetch_dossiers(
            asked,
            client=get_client(web=web, patient=not web),
            size=AT_ONCE,
            at_once=1,
            wanted=partial(wanted_by, sight),
            by=journal.user(account),
        )
        for outcome in outcomes:
            if outcome.result:
                batch.results.append(outcome.result)
            elif outcome.error:
                if web and seconds_left() == 0 and outcome.error.reason in OUT_OF_TIME:
                    cut_off.append(outcome.number)  # by the page, not by the platform's patience
                    continue
                batch.failures.append(outcome.error)
                if not outcome.error.concerns_dossier:
                    batch.stopped_by = outcome.error.sentence
                    break
            else:
                batch.outside.append(outcome.number)
    except ImproperlyConfigured:
        batch.stopped_by = UNCONFIGURED
    batch.end_without(cut_off)
    done = batch.words.keys()
    batch.left = [number for number in numbers if number not in done]
    return batch


def _while_it_is_worth(numbers: Sequence[int]) -> Iterator[int]:
    for rank, number in enumerate(numbers):
        left = seconds_left()
        if rank % AT_ONCE == 0 and rank and left is not None and left < SECONDS_WORTH_A_TRY:
            return
        yield number


# After the page


def keep(batch: Batch, account: AbstractBaseUser | AnonymousUser) -> FetchLot:
    """The batch as a lot, whose rest is fetched after the page."""
    goes_on = bool(batch.left) and not batch.stopped_by
    lot = FetchLot.objects.create(
        account=str(account.pk),
        outcomes=_keys(batch.words),
        left=batch.left,
        ended_at=None if goes_on else timezone.now(),
    )
    if goes_on:
        go_on(lot)
    return lot


def go_on(lot: FetchLot) -> None:
    FetchLot.objects.filter(pk=lot.pk).update(touched_at=timezone.now(), ended_at=None)
    if not background.hand_over("dsintegration.fetch_lot", str(lot.pk)):
        background.run_later(fetch_lot, str(lot.pk))


def fetch_lot(pk: str) -> None:
    """Fetch what is left of a lot, a few at a time; each time what came of them is noted."""
    while (lot := FetchLot.objects.filter(pk=UUID(pk), ended_at=None).first()) and lot.left:
        # Read again each time: rights may end meanwhile.
        account = get_user_model()._default_manager.filter(pk=lot.account, is_active=True).first()
        if account is None or not account.has_perm("dsintegration.fetch_dossier"):
            break
        some = lot.left[:AT_ONCE]
        batch = _fetch(some, some, account, web=False)
        words = _keys(batch.words)
        lot.outcomes |= words
        lot.left = [number for number in lot.left if str(number) not in words]
        lot.touched_at = timezone.now()
        lot.save(update_fields=["outcomes", "left", "touched_at"])
        if batch.stopped_by or not words:
            break
    FetchLot.objects.filter(pk=UUID(pk)).update(ended_at=timezone.now())


def _keys(words: dict[int, str]) -> dict[str, str]:
    return {str(number): word for number, word in words.items()}
