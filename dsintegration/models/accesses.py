"""What lets a usager see a dossier on our page."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from dsintegration.models.mirror import Dossier


class UsagerAccessQuerySet(models.QuerySet["UsagerAccess"]):
    def expired(self) -> "UsagerAccessQuerySet":
        """Those that open nothing any more: neither by their link nor by a session."""
        ended = timezone.now() - UsagerAccess.LIFE
        return self.filter(sent_at__lt=ended).exclude(last_seen_at__gte=ended)


class UsagerAccess(models.Model):
    """What lets one browser see one dossier: a link sent by mail, then the session it opened.

    Only digests are kept: whoever reads this table can open nothing, and learns no address.
    """

    # Of the link, from when it is sent; of the session, from when it was last used.
    LIFE = timedelta(minutes=30)

    dossier = models.ForeignKey(Dossier, models.CASCADE, related_name="accesses")
    address_digest = models.CharField(
        "empreinte de l'adresse",
        max_length=64,
        help_text="Celle à qui le lien a été envoyé : un dossier change parfois de mains.",
    )
    link_digest = models.CharField("empreinte du lien", max_length=64)
    sent_at = models.DateTimeField("lien envoyé le")
    used_at = models.DateTimeField("lien utilisé le", null=True, blank=True)
    session_digest = models.CharField(
        "empreinte de la session", max_length=64, blank=True, help_text="Vide une fois quittée."
    )
    last_seen_at = models.DateTimeField("page vue le", null=True, blank=True)

    objects = UsagerAccessQuerySet.as_manager()

    class Meta:
        verbose_name = "accès d'usager"
        verbose_name_plural = "accès d'usagers"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["link_digest"], name="usager_link_is_unique"),
        )
        indexes = (models.Index(fields=["sent_at"], name="usager_access_sent_at"),)

    def __str__(self) -> str:
        return f"Accès au dossier n° {self.dossier.number}"
