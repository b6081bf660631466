"""The mirror: démarches, dossiers and messages as the platform last gave them.

Only dsintegration/services.py writes here. Columns of the platform bear its own words in
snake_case; English names are ours.
"""

from django.db import models
from django.db.models.functions import Lower

from dsintegration import conf


class Platform(models.Model):
    """The one row that knows which instance of the platform this database mirrors.

    Every write locks it first: so `version` grows in the order of commits, and writers never wait
    for each other in a circle.
    """

    SINGLETON = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON, editable=False)
    instance = models.CharField(
        "instance", max_length=255, blank=True, help_text="Vide tant que rien n'est enregistré."
    )
    version = models.PositiveBigIntegerField("dernière version donnée", default=0)
    last_error_code = models.CharField("dernière erreur", max_length=50, blank=True)
    last_error_reason = models.CharField("raison de l'erreur", max_length=50, blank=True)
    last_error_at = models.DateTimeField("erreur survenue le", null=True, blank=True)

    class Meta:
        verbose_name = "plateforme"
        verbose_name_plural = "plateforme"
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="platform_is_a_single_row"),
        )

    def __str__(self) -> str:
        return self.instance or "aucune"


class Demarche(models.Model):
    number = models.PositiveIntegerField("numéro")
    ds_id = models.CharField("identifiant sur la plateforme", max_length=255)
    title = models.TextField("titre")
    fetched_at = models.DateTimeField(
        "titre récupéré le", help_text="Envoi de la demande dont vient ce titre."
    )

    class Meta:
        verbose_name = "démarche"
        constraints = (
            models.UniqueConstraint(fields=["number"], name="demarche_number_is_unique"),
        )

    def __str__(self) -> str:
        return f"{self.title} (n° {self.number})"


class Dossier(models.Model):
    class State(models.TextChoices):
        """Type `DossierState`. One that is not here is stored and shown as it came."""

        EN_CONSTRUCTION = "en_construction", "En construction"
        EN_INSTRUCTION = "en_instruction", "En instruction"
        ACCEPTE = "accepte", "Accepté"
        REFUSE = "refuse", "Refusé"
        SANS_SUITE = "sans_suite", "Classé sans suite"

    number = models.PositiveIntegerField("numéro")
    ds_id = models.CharField("identifiant sur la plateforme", max_length=255)
    demarche = models.ForeignKey(
        Demarche, models.PROTECT, related_name="dossiers", verbose_name="démarche", db_index=False
    )
    state = models.CharField("état", max_length=255, choices=State)
    usager_email = models.CharField("adresse de l'usager", max_length=320)
    date_depot = models.DateTimeField("déposé le", null=True, blank=True)
    date_passage_en_construction = models.DateTimeField(
        "dernier passage en construction", null=True, blank=True
    )
    date_passage_en_instruction = models.DateTimeField(
        "dernier passage en instruction",
        null=True,
        blank=True,
        help_text="Reste remplie quand le dossier est repassé en construction.",
    )
    date_traitement = models.DateTimeField(
        "dernière décision",
        null=True,
        blank=True,
        help_text="Reste remplie quand le dossier est repassé en instruction.",
    )
    date_derniere_modification = models.DateTimeField("dernière modification")
    date_expiration = models.DateTimeField("expire le", null=True, blank=True)
    date_suppression_par_usager = models.DateTimeField(
        "supprimé par l'usager le", null=True, blank=True
    )

    version = models.PositiveBigIntegerField(
        "version", help_text="Augmente à chaque changement, tous dossiers confondus."
    )
    changed_at = models.DateTimeField("changé le", help_text="Moment de la version.")
    fetched_at = models.DateTimeField(
        "récupéré le", help_text="Envoi de la demande dont viennent ces données."
    )
    checked_at = models.DateTimeField(
        "vérifié le", help_text="Envoi de la dernière demande à laquelle la plateforme a répondu."
    )
    absent_since = models.DateTimeField(
        "absent de la plateforme depuis", null=True, blank=True, help_text="Souvent provisoire."
    )
    last_error_code = models.CharField("dernière erreur", max_length=50, blank=True)
    last_error_reason = models.CharField("raison de l'erreur", max_length=50, blank=True)
    last_error_at = models.DateTimeField("erreur survenue le", null=True, blank=True)

    class Meta:
        verbose_name = "dossier"
        constraints = (models.UniqueConstraint(fields=["number"], name="dossier_number_is_unique"),)
        indexes = (
            models.Index(fields=["state"], name="dossier_state"),
            models.Index(fields=["demarche"], name="dossier_demarche"),
            models.Index(fields=["date_derniere_modification"], name="dossier_modification"),
            models.Index(fields=["version"], name="dossier_version"),
            models.Index(fields=["changed_at"], name="dossier_changed_at"),
            models.Index(fields=["fetched_at"], name="dossier_fetched_at"),
            models.Index(Lower("usager_email"), name="dossier_usager_email"),
        )

    def __str__(self) -> str:
        return f"Dossier n° {self.number}"

    @property
    def url(self) -> str:
        """The dossier's page on the platform, for its usager."""
        return f"{conf.site_url()}/dossiers/{self.number}"


class Message(models.Model):
    class Author(models.TextChoices):
        """What an address tells: the platform says no more (agent, expert and guest look alike)."""

        USAGER = "usager", "usager"
        SYSTEME = "systeme", "message automatique"
        AUTRE = "autre", "service ou tiers"

    dossier = models.ForeignKey(
        Dossier, models.CASCADE, related_name="messages", db_index=False, verbose_name="dossier"
    )
    ds_id = models.CharField("identifiant sur la plateforme", max_length=255)
    email = models.CharField("adresse de l'auteur", max_length=320)
    body = models.TextField(
        "texte",
        blank=True,
        help_text="Vide si le message est supprimé, ou s'il n'est qu'une pièce jointe.",
    )
    created_at = models.DateTimeField("écrit le")
    discarded_at = models.DateTimeField("supprimé le", null=True, blank=True)
    absent_since = models.DateTimeField("absent de la plateforme depuis", null=True, blank=True)

    class Meta:
        verbose_name = "message"
        # Two messages may share a second; rows are created in the platform's own order.
        ordering = ("created_at", "id")
        constraints = (models.UniqueConstraint(fields=["ds_id"], name="message_ds_id_is_unique"),)
        indexes = (
            models.Index(fields=["dossier", "created_at", "id"], name="message_conversation"),
        )

    def __str__(self) -> str:
        return f"Message du dossier n° {self.dossier.number}"

    @property
    def author(self) -> Author:
        """Who wrote it; another of the usager's addresses, used formerly, counts as AUTRE."""
        email = self.email.strip().lower()
        if email in conf.system_emails():
            return self.Author.SYSTEME
        if email == self.dossier.usager_email.strip().lower():
            return self.Author.USAGER
        return self.Author.AUTRE

    @property
    def is_only_a_file(self) -> bool:
        """No text, although nothing was deleted: what was sent is an attachment."""
        return not self.body and self.discarded_at is None and self.absent_since is None
