"""Which account somebody has who comes in by an OpenID provider."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class OidcIdentity(models.Model):
    """An account is known by the provider's `sub`, which outlives names and addresses.

    Without a subject, or until `open_until`, the next login with the account's verified address
    takes the row: an operator said so (`manage.py link_agent`).
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name="compte"
    )
    issuer = models.CharField("fournisseur", max_length=255)
    # Null is no subject: several rows may have none, and no two the same.
    subject = models.CharField("identifiant", max_length=255, null=True, blank=True)  # noqa: DJ001
    open_until = models.DateTimeField("peut être liée jusqu'à", null=True, blank=True)
    created_at = models.DateTimeField("créée le", default=timezone.now)

    class Meta:
        verbose_name = "identité OpenID"
        verbose_name_plural = "identités OpenID"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["issuer", "subject"], name="oidc_subject"),
            models.UniqueConstraint(fields=["issuer", "user"], name="oidc_account"),
        )

    def __str__(self) -> str:
        return f"Identité n° {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.open_until is not None and timezone.now() < self.open_until
