"""`manage.py link_agent`: lets one account be bound to whoever next proves its address."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from dsintegration import conf
from dsintegration.management.base import BAD_INPUT, DossierCommand
from dsintegration.models import OidcIdentity

OPEN_FOR = timedelta(hours=1)


class Command(DossierCommand):
    help = (
        "Pendant une heure, relie un compte à la première identité OpenID qui a son adresse "
        "vérifiée : un superutilisateur, un responsable, ou un compte dont l'identité a changé."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NOM", help="le nom de connexion du compte.")

    def handle(self, *, name: str, **_: Any) -> None:
        provider = conf.openid()
        if provider is None:
            raise ImproperlyConfigured("OIDC_ISSUER manque : aucun agent n'entre par OpenID.")
        accounts: Any = get_user_model()
        account = accounts._default_manager.filter(**{accounts.USERNAME_FIELD: name}).first()
        if account is None:
            raise CommandError("aucun compte n'a ce nom de connexion.", returncode=BAD_INPUT)
        if not getattr(account, accounts.get_email_field_name()):
            raise CommandError(
                "ce compte n'a pas d'adresse électronique : donnez-lui celle que le fournisseur "
                "vérifie.",
                returncode=BAD_INPUT,
            )
        until = timezone.now() + OPEN_FOR
        OidcIdentity.objects.update_or_create(
            issuer=provider.issuer, user_id=account.pk, defaults={"open_until": until}
        )
        self.stdout.write(
            f"Ce compte sera relié à la première connexion qui a son adresse, avant "
            f"{timezone.localtime(until):%H:%M}."
        )
