"""What the REST API keeps: its keys, the numbers that were erased here, the fetches under way."""

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.decorators.debug import sensitive_variables

from dsintegration.models.mirror import Demarche


class PurgedDossier(models.Model):
    """What remains of a dossier that was erased here, so that copies erase it too.

    `version` is the next one of `Platform`: a dossier that returns later bears a greater one.
    """

    number = models.PositiveIntegerField("numéro")
    demarche_number = models.PositiveIntegerField("numéro de la démarche")
    version = models.PositiveBigIntegerField(
        "version", help_text="Prend la suite des versions des dossiers."
    )
    purged_at = models.DateTimeField("effacé le")

    class Meta:
        verbose_name = "dossier effacé"
        verbose_name_plural = "dossiers effacés"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=["number"], name="purged_number_is_unique"),)
        indexes = (models.Index(fields=["version", "number"], name="purged_version"),)

    def __str__(self) -> str:
        return f"Dossier n° {self.number}, effacé"


def end_of(day: date) -> datetime:
    """The midnight that ends it, here."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


def in_a_year() -> datetime:
    return end_of(timezone.localdate() + timedelta(days=365))


class ApiKeyManager(models.Manager["ApiKey"]):
    @sensitive_variables()
    def create_key(
        self, *, name: str, demarches: Iterable[Demarche] = (), **fields: Any
    ) -> tuple["ApiKey", str]:
        """A new row and its key, which is kept nowhere: this is the only time that it is known.

        An `expiry_date` without a time is the last day of the key.
        """
        last_day = fields.get("expiry_date")
        if isinstance(last_day, date) and not isinstance(last_day, datetime):
            fields["expiry_date"] = end_of(last_day)
        row = self.model(name=name, **fields)
        key = row.draw_key()
        with transaction.atomic():
            row.save(force_insert=True)
            row.demarches.set(demarches)
        return row, key

    @sensitive_variables()
    def of_key(self, key: str) -> "ApiKey | None":
        return self.filter(digest=ApiKey.digest_of(key)).first()


class ApiKey(models.Model):
    """What another system may see and do through the REST API.

    Of the key itself only a hash is kept. A fast one is enough: nobody can guess 256 random bits.
    """

    # An id that tells nothing: it stands in the admin's addresses.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField("nom", max_length=100, help_text="Le système qui se sert de la clé.")
    digest = models.CharField("empreinte", max_length=64, editable=False)
    can_fetch = models.BooleanField(
        "peut récupérer un dossier",
        default=False,
        help_text="Faire demander un dossier à la plateforme, et l'enregistrer ici.",
    )
    can_read_personal_data = models.BooleanField(
        "peut lire les données personnelles",
        default=False,
        help_text="L'adresse de l'usager et les messages.",
    )
    can_read_content = models.BooleanField(
        "peut lire le contenu des dossiers",
        default=False,
        db_default=False,
        help_text=(
            "Ce que chaque démarche conserve du formulaire, du demandeur et de l'instruction ; "
            "demande le droit de lire les données personnelles."
        ),
    )
    all_demarches = models.BooleanField(
        "toutes les démarches", default=False, help_text="Y compris celles qui viendront."
    )
    demarches = models.ManyToManyField(
        Demarche,
        related_name="api_keys",
        blank=True,
        verbose_name="démarches",
        help_text=(
            "Hors de cette liste, aucun dossier n'existe pour la clé. Une liste vide ne donne "
            "accès à rien."
        ),
    )
    # Whose sight bounds the key's: the account that gave its rights. Empty: no account did.
    given_by = models.CharField(
        "donnée par le compte", max_length=64, blank=True, default="", db_default="", editable=False
    )
    created_at = models.DateTimeField("créée le", default=timezone.now, editable=False)
    expiry_date = models.DateTimeField("expire le", default=in_a_year)
    revoked = models.BooleanField(
        "révoquée", default=False, help_text="Une clé révoquée est refusée aussitôt, pour toujours."
    )
    last_used_on = models.DateField(
        "servie pour la dernière fois le", null=True, blank=True, editable=False
    )

    objects = ApiKeyManager()

    class Meta:
        verbose_name = "clé de l'API"
        verbose_name_plural = "clés de l'API"
        default_permissions = ()
        permissions = (
            ("add_apikey", "Peut faire des clés de l'API"),
            ("change_apikey", "Peut changer les droits des clés de l'API, et les révoquer"),
            ("view_apikey", "Peut voir les clés de l'API"),
        )
        constraints = (
            models.UniqueConstraint(fields=["digest"], name="api_key_is_unique"),
            models.CheckConstraint(
                condition=models.Q(can_read_content=False) | models.Q(can_read_personal_data=True),
                name="api_key_content_is_personal",
                violation_error_message=(
                    "Le contenu des dossiers est fait de données personnelles : cochez aussi "
                    "« peut lire les données personnelles », ou décochez « peut lire le contenu "
                    "des dossiers »."
                ),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @staticmethod
    @sensitive_variables()
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()

    @sensitive_variables()
    def draw_key(self) -> str:
        """A new key for this row, which keeps its hash; the row is not saved."""
        key = f"dsi_{secrets.token_urlsafe(32)}"
        self.digest = self.digest_of(key)
        return key

    @cached_property
    def listed(self) -> dict[int, int]:
        """The démarches of its list, number by id. What it sees of them: perimeters.py."""
        return dict(self.demarches.values_list("pk", "number"))

    @property
    def has_expired(self) -> bool:
        return self.expiry_date <= timezone.now()

    @property
    def is_valid(self) -> bool:
        return not (self.revoked or self.has_expired)

    def note_use(self) -> None:
        """Remember the day, so that keys that nobody uses can be seen: one write a day at most."""
        if self.last_used_on != (today := timezone.localdate()):
            self.last_used_on = today
            ApiKey.objects.filter(pk=self.pk).update(last_used_on=today)


class OngoingFetch(models.Model):
    """A call to the platform that REST requests for one dossier share (api/sharing.py)."""

    number = models.PositiveIntegerField("numéro", null=True, help_text="Vide dès la fin.")
    started_at = models.DateTimeField("commencé le", default=timezone.now)
    ended_at = models.DateTimeField("fini le", null=True)
    outcome = models.JSONField("issue", null=True)

    class Meta:
        verbose_name = "récupération en cours"
        verbose_name_plural = "récupérations en cours"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["number"], name="one_ongoing_fetch_a_number"),
        )

    def __str__(self) -> str:
        return f"Dossier n° {self.number}"
