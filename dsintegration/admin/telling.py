"""What is said of a fetch: number by number, in the agent's words."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest

from dsintegration.admin.fetch import OUTSIDE, OUTSIDE_SENTENCE, Batch
from dsintegration.exceptions import DossierNotFound, stored_error
from dsintegration.models import Dossier, Outcome
from dsintegration.perimeters import sight_of
from dsintegration.words import IN_AN_AGENTS_WORDS

# Successes beyond that are told in one line. Failures are told one by one, and all in a block.
MAX_TOLD = 25
SUCCESSES = {Outcome.CREATED.value, Outcome.CHANGED.value, Outcome.UNCHANGED.value}


@dataclass(frozen=True)
class Told:
    """A number and what came of it; `pk`: of its dossier, if the agent sees it."""

    number: int
    sentence: str
    pk: int | None = None


@dataclass(frozen=True)
class Report:
    successes: list[Told]
    failures: list[Told]

    @property
    def in_short(self) -> str:
        """« 30 dossiers récupérés (créé : 28, inchangé : 2). », where they are too many."""
        if len(self.successes) <= MAX_TOLD:
            return ""
        counts = Counter(told.sentence for told in self.successes)
        parts = ", ".join(f"{what} : {count}" for what, count in counts.items())
        return f"{len(self.successes)} dossiers récupérés ({parts})."

    @property
    def failed_numbers(self) -> str:
        """A block to copy."""
        return "\n".join(str(told.number) for told in self.failures)


def report(request: HttpRequest, words: Mapping[int, str]) -> Report:
    """`words`: what came of each number, in the journal's."""
    visible = sight_of(request.user).limit(Dossier.objects.filter(number__in=words))
    pks = dict(visible.values_list("number", "pk"))
    told = [Told(number, sentence_of(word), pks.get(number)) for number, word in words.items()]
    return Report(
        [one for one in told if words[one.number] in SUCCESSES],
        [one for one in told if words[one.number] not in SUCCESSES],
    )


def sentence_of(word: str) -> str:
    """Of an outcome; what only an operator could do is left to him."""
    if word == OUTSIDE:
        return OUTSIDE_SENTENCE
    if word in SUCCESSES:
        return str(Outcome(word).label)
    if word == Outcome.NOT_FOUND.value:
        return DossierNotFound().sentence
    code, _, reason = word.partition(" ")
    try:
        error = stored_error(code, reason)
    except (StopIteration, ValueError):  # what another version wrote
        return word
    return IN_AN_AGENTS_WORDS.get(error.reason, error.sentence)


def log(request: HttpRequest, batch: Batch) -> None:
    """An entry of the admin's log for each number that was asked."""
    words = batch.words
    created = {result.dossier.number for result in batch.results if result.created}
    told = report(request, words)
    content_type = ContentType.objects.get_for_model(Dossier)
    LogEntry.objects.bulk_create(
        _entry(request, content_type, one, ADDITION if one.number in created else CHANGE)
        for one in [*told.successes, *told.failures]
    )


def _entry(request: HttpRequest, content_type: Any, told: Told, flag: int) -> LogEntry:
    return LogEntry(
        user_id=cast(int, request.user.pk),
        content_type=content_type,
        object_id=None if told.pk is None else str(told.pk),
        object_repr=f"Dossier n° {told.number}",
        action_flag=flag,
        change_message=f"Récupération depuis la plateforme : {told.sentence}",
    )
