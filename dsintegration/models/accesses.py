"""What lets a usager see dossiers on our page."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from dsintegration.models.mirror import Dossier


class UsagerAccessQuerySet(models.QuerySet["UsagerAccess"]):
    def expired(self) -> "UsagerAccessQuerySet":
        """Those that open nothing any more, neither by their link nor by a session of theirs."""
        return self.filter(sent_at__lt=timezone.now() - UsagerSession.LONGEST)


class UsagerAccess(models.Model):
    """A link that was sent by mail: it opens a dossier, in several browsers if it must.

    Only digests are kept: whoever reads this table can open nothing, and learns no address.
    """

    LIFE = timedelta(minutes=30)
    # Some scanners of mails press the button before the person does.
    MOST_OPENINGS = 5

    dossier = models.ForeignKey(Dossier, models.CASCADE, related_name="accesses")
    address_digest = models.CharField(
        "empreinte de l'adresse",
        max_length=64,
        help_text="Celle à qui le lien a été envoyé : un dossier change parfois de mains.",
    )
    link_digest = models.CharField("empreinte du lien", max_length=64)
    sent_at = models.DateTimeField("lien envoyé le")
    openings = models.PositiveSmallIntegerField("ouvertures", default=0)

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


class UsagerSessionQuerySet(models.QuerySet["UsagerSession"]):
    def alive(self) -> "UsagerSessionQuerySet":
        now = timezone.now()
        return self.filter(
            last_seen_at__gte=now - UsagerSession.IDLE, opened_at__gte=now - UsagerSession.LONGEST
        )


class UsagerSession(models.Model):
    """One browser that a link has opened, until it is left alone, or for a day at most."""

    IDLE = timedelta(minutes=30)
    LONGEST = timedelta(days=1)

    access = models.ForeignKey(UsagerAccess, models.CASCADE, related_name="sessions")
    digest = models.CharField("empreinte de la session", max_length=64)
    opened_at = models.DateTimeField("ouverte le")
    last_seen_at = models.DateTimeField("page vue le")

    objects = UsagerSessionQuerySet.as_manager()

    class Meta:
        verbose_name = "session d'usager"
        verbose_name_plural = "sessions d'usagers"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=["digest"], name="usager_session_is_unique"),)

    def __str__(self) -> str:
        return f"Session sur le dossier n° {self.access.dossier.number}"
