"""What an agent asked to be fetched together, and what came of each number so far."""

import uuid
from datetime import timedelta

from django.db import models
from django.utils import timezone

from dsintegration.models.journal import Outcome


class FetchLot(models.Model):
    """Its author alone sees it. It holds numbers, and is forgotten by the purge after a week."""

    KEPT = timedelta(days=7)
    # A process that has noted nothing for so long is no more.
    QUIET = timedelta(minutes=5)

    # An id that tells nothing: it stands in addresses.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.CharField("compte", max_length=64, help_text="Son identifiant.")
    created_at = models.DateTimeField("demandé le", default=timezone.now)
    touched_at = models.DateTimeField("avancé le", default=timezone.now)
    ended_at = models.DateTimeField("fini le", null=True, blank=True)
    left = models.JSONField("numéros restants", default=list)
    outcomes = models.JSONField(
        "issues", default=dict, help_text="Par numéro, l'issue dans les mots du journal."
    )

    class Meta:
        verbose_name = "lot récupéré"
        verbose_name_plural = "lots récupérés"
        default_permissions = ()
        indexes = (models.Index(fields=["created_at"], name="fetch_lot_created"),)

    def __str__(self) -> str:
        return f"Lot du {timezone.localtime(self.created_at):%d/%m/%Y %H:%M}"

    @property
    def is_under_way(self) -> bool:
        return self.ended_at is None and timezone.now() - self.touched_at < self.QUIET

    @property
    def fetched(self) -> list[int]:
        """The numbers whose dossier came."""
        came = {Outcome.CREATED.value, Outcome.CHANGED.value, Outcome.UNCHANGED.value}
        return [int(number) for number, word in self.outcomes.items() if word in came]

    @property
    def total(self) -> int:
        return len(self.outcomes) + len(self.left)
