"""The mirror: démarches, dossiers and messages as the platform last gave them.

Only the wing mirror/ writes there, under one lock (mirror/locking.py). Columns of the
platform bear its own words in snake_case; English names are ours.
"""

import secrets
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import JSONField, Value
from django.db.models.functions import Lower
from django.utils.functional import cached_property

from dsintegration import conf
from dsintegration.exceptions import DSError, stored_error
from dsintegration.harmless import on_a_page


def new_epoch() -> str:
    return secrets.token_hex(8)


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
    # Copies that were made under another one are no copies of this database (mirror/epoch.py).
    epoch = models.CharField("époque", max_length=32, default=new_epoch, editable=False)
    last_error_code = models.CharField("dernière erreur", max_length=50, blank=True)
    last_error_reason = models.CharField("raison de l'erreur", max_length=50, blank=True)
    last_error_at = models.DateTimeField("erreur survenue le", null=True, blank=True)
    # When one of the whole mirror last ended; and one that fetched each dossier (`--full`).
    refreshed_at = models.DateTimeField("dernier rafraîchissement complet", null=True, blank=True)
    fully_refreshed_at = models.DateTimeField(
        "dernier rafraîchissement de fond", null=True, blank=True
    )

    class Meta:
        verbose_name = "plateforme"
        verbose_name_plural = "plateforme"
        default_permissions = ()
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="platform_is_a_single_row"),
        )

    def __str__(self) -> str:
        return self.instance or "aucune"

    @property
    def last_error(self) -> DSError | None:
        """The failure that concerned no dossier in particular, if none has succeeded since."""
        if self.last_error_at is None:
            return None
        return stored_error(self.last_error_code, self.last_error_reason)


class RefreshTurn(models.Model):
    """The one row that knows who is refreshing this database (mirror/turn.py).

    Its moments are of the database's own clock, which all machines share.
    """

    SINGLETON = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON, editable=False)
    holder = models.CharField(max_length=200, blank=True)
    is_full = models.BooleanField(default=False)
    ends_at = models.DateTimeField(null=True)
    waited_for_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "tour de rafraîchissement"
        verbose_name_plural = "tours de rafraîchissement"
        default_permissions = ()
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="refresh_turn_is_a_single_row"),
        )

    def __str__(self) -> str:
        return self.holder or "libre"


class Demarche(models.Model):
    number = models.PositiveIntegerField("numéro")
    ds_id = models.CharField("identifiant sur la plateforme", max_length=255)
    title = models.TextField("titre")
    # Whom usagers may ask (type `Service`, public); empty where the platform names none.
    service_nom = models.TextField("service", blank=True, default="")
    service_organisme = models.TextField("organisme du service", blank=True, default="")
    fetched_at = models.DateTimeField(
        "titre récupéré le", help_text="Envoi de la demande dont vient ce titre."
    )
    decision_hidden = models.BooleanField(
        "masquer la décision sur la page de l'usager",
        default=False,
        help_text=(
            "À cocher si la démarche prévoit un accusé de lecture : la plateforme ne montre alors "
            "la décision qu'à l'usager qui a accepté de la recevoir."
        ),
    )

    followed = models.BooleanField(
        "suivie en entier",
        default=False,
        db_default=False,
        help_text=(
            "Tous ses dossiers sont ici, et les nouveaux y viennent d'eux-mêmes. Décocher "
            "n'efface rien."
        ),
    )
    token = models.CharField(
        "empreinte du jeton qui la lit",
        max_length=32,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )

    # What is kept of its dossiers beside the mirror's own columns (payloads/selection.py), written
    # by mirror/forms.py out of its champs; `selection_key` changes with what is asked for.
    selection = models.JSONField(default=dict, db_default=Value({}, JSONField()), editable=False)
    selection_key = models.CharField(
        max_length=16, blank=True, default="", db_default="", editable=False
    )
    form_read_at = models.DateTimeField("formulaire lu le", null=True, blank=True, editable=False)

    # How far its lists were read (refresh/lists.py), by the platform's clock. Until when all that
    # moved is here; from when on nothing was missed; where a reading that was cut short goes on.
    read_until = models.DateTimeField(null=True, editable=False)
    covered_from = models.DateTimeField(null=True, editable=False)
    reading_since = models.DateTimeField(null=True, editable=False)
    reading_from = models.DateTimeField(null=True, editable=False)
    reading_cursor = models.TextField(blank=True, default="", db_default="", editable=False)
    # When its list of dossiers that are gone for good was last read to the end.
    deleted_read_at = models.DateTimeField(null=True, editable=False)
    # Its lists failed so many times in a row, and are not asked for before that.
    list_tries = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    next_list_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "démarche"
        default_permissions = ()
        permissions = (
            ("view_demarche", "Peut voir les démarches"),
            ("change_demarche", "Peut suivre des démarches, et masquer leurs décisions"),
        )
        constraints = (
            models.UniqueConstraint(fields=["number"], name="demarche_number_is_unique"),
        )

    def __str__(self) -> str:
        return f"{on_a_page(self.title)} (n° {self.number})"

    @property
    def hidden_champs(self) -> frozenset[str]:
        """The ids of the champs that the API does not show."""
        return frozenset(self.selection.get("hidden", ()))


class Author(models.TextChoices):
    """What an address tells: the platform says no more (agent, expert and guest look alike)."""

    USAGER = "usager", "usager"
    SYSTEME = "systeme", "message automatique"
    AUTRE = "autre", "service ou tiers"

    @classmethod
    def of(cls, email: str, usager_email: str, *, from_usager: bool = False) -> "Author":
        """Who wrote from `email`; `from_usager`: it was the usager's address at the time."""
        email = normalised(email)
        if email in conf.system_emails():
            return cls.SYSTEME
        is_usager = from_usager or email == normalised(usager_email)
        return cls.USAGER if is_usager else cls.AUTRE


def normalised(address: str) -> str:
    """An address as it is compared."""
    return address.strip().lower()


# What is large, and of no use to lists.
CONTENT = ("demandeur", "instruction", "champs", "annotations")

OPEN_STATES = ("en_construction", "en_instruction")

# An agent has to write: the usager said the last word, in whatever état, and nobody has marked it
# « rien à répondre ».
TO_ANSWER = models.Q(usager_spoke_last=True, settled_until__isnull=True)


class DossierQuerySet(models.QuerySet["Dossier"]):
    def to_answer(self) -> "DossierQuerySet":
        return self.filter(TO_ANSWER)

    def without_content(self) -> "DossierQuerySet":
        return self.defer(*CONTENT)

    def absent(self) -> "DossierQuerySet":
        return self.filter(absent_since__isnull=False)

    def failing(self) -> "DossierQuerySet":
        """Those of which the last try failed: what is shown is older than it could be."""
        return self.filter(last_error_at__isnull=False)

    def of_usager(self, *emails: str) -> "DossierQuerySet":
        """Those of an address, in one of its spellings, whatever its case."""
        lowered = [email.strip().lower() for email in emails]
        return self.alias(_email=Lower("usager_email")).filter(_email__in=lowered)


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

    date_derniere_correction_en_attente = models.DateTimeField(
        "correction demandée le",
        null=True,
        blank=True,
        help_text="Vide quand aucune correction n'est attendue de l'usager.",
    )
    usager_account_deleted = models.BooleanField(
        "compte de l'usager supprimé",
        default=False,
        help_text="Plus personne ne lit le courrier envoyé à son adresse.",
    )

    # What lists show of the conversation (mirror/storing.py keeps it in step with the messages).
    messages_count = models.PositiveIntegerField("nombre de messages", default=0)
    last_message_at = models.DateTimeField("dernier message", null=True, blank=True)
    last_message_author = models.CharField(
        "auteur du dernier message", max_length=10, blank=True, choices=Author
    )
    usager_spoke_last = models.BooleanField(
        "l'usager a écrit en dernier",
        default=False,
        help_text="Sans compter les messages automatiques.",
    )

    # Of its files that are in no message (models/files.py), as Message.file_marks.
    file_marks = models.TextField(blank=True, default="", db_default="", editable=False)

    # The queue. Automatic messages are nobody's word here.
    last_human_at = models.DateTimeField("dernier message d'une personne", null=True, blank=True)
    last_human_author = models.CharField(
        "auteur du dernier message d'une personne", max_length=10, blank=True, choices=Author
    )
    waiting_since = models.DateTimeField(
        "attend une réponse depuis",
        null=True,
        blank=True,
        help_text="Le premier message de l'usager qui n'a pas eu de réponse.",
    )
    settled_until = models.DateTimeField(
        "rien à répondre aux messages jusqu'au",
        null=True,
        blank=True,
        help_text="Marqué par un agent ; s'efface dès que l'usager écrit de nouveau.",
    )

    # What its démarche keeps of it, as the API shows it (docs/api.md); null where that is nothing.
    demandeur = models.JSONField("demandeur", null=True, blank=True)
    instruction = models.JSONField("instruction", null=True, blank=True)
    champs = models.JSONField("champs", null=True, blank=True)
    annotations = models.JSONField("annotations privées", null=True, blank=True)
    content_key = models.CharField(
        "choix dont vient le contenu", max_length=16, blank=True, default="", editable=False
    )
    content_error_reason = models.CharField("contenu illisible", max_length=50, blank=True)
    content_error_at = models.DateTimeField("contenu illisible depuis", null=True, blank=True)

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
    erased_at = models.DateTimeField(
        "effacé de la plateforme",
        null=True,
        blank=True,
        help_text="Vu dans sa liste des dossiers supprimés pour de bon : la purge l'emportera.",
    )
    last_error_code = models.CharField("dernière erreur", max_length=50, blank=True)
    last_error_reason = models.CharField("raison de l'erreur", max_length=50, blank=True)
    last_error_at = models.DateTimeField("erreur survenue le", null=True, blank=True)
    tries = models.PositiveSmallIntegerField(
        "échecs de suite", default=0, db_default=0, editable=False
    )
    next_try_at = models.DateTimeField("pas redemandé avant", null=True, blank=True, editable=False)

    objects = DossierQuerySet.as_manager()

    class Meta:
        verbose_name = "dossier"
        # Named in French one by one: Django writes its own names of them in English.
        default_permissions = ()
        permissions = (
            ("view_dossier", "Peut voir les dossiers"),
            ("fetch_dossier", "Peut récupérer un dossier de la plateforme"),
            ("export_dossier", "Peut exporter la liste des dossiers"),
            ("settle_dossier", "Peut marquer un dossier « rien à répondre »"),
        )
        constraints = (models.UniqueConstraint(fields=["number"], name="dossier_number_is_unique"),)
        indexes = (
            models.Index(fields=["state", "demarche"], name="dossier_state_demarche"),
            models.Index(fields=["date_depot"], name="dossier_depot"),
            models.Index(fields=["date_traitement"], name="dossier_traitement"),
            models.Index(fields=["date_derniere_modification"], name="dossier_modification"),
            models.Index(fields=["version", "number"], name="dossier_version"),
            models.Index(fields=["fetched_at"], name="dossier_fetched_at"),
            models.Index(fields=["checked_at", "id"], name="dossier_checked_at"),
            models.Index(Lower("usager_email"), name="dossier_usager_email"),
            # Few rows of many: those that somebody has to look at.
            models.Index(fields=["waiting_since", "id"], name="dossier_queue", condition=TO_ANSWER),
            models.Index(
                fields=["demarche", "waiting_since"],
                name="dossier_demarche_queue",
                condition=TO_ANSWER,
            ),
            models.Index(fields=["last_human_at"], name="dossier_last_human"),
            models.Index(
                fields=["demarche", "date_derniere_modification"], name="dossier_demarche_moved"
            ),
            models.Index(fields=["demarche", "content_key"], name="dossier_content"),
            models.Index(
                fields=["absent_since"],
                name="dossier_absent",
                condition=models.Q(absent_since__isnull=False),
            ),
            models.Index(
                fields=["last_error_at"],
                name="dossier_failing",
                condition=models.Q(last_error_at__isnull=False),
            ),
            models.Index(
                fields=["next_try_at"],
                name="dossier_next_try",
                condition=models.Q(next_try_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"Dossier n° {self.number}"

    @property
    def url(self) -> str:
        """The dossier's page on the platform, for its usager."""
        return f"{conf.site_url()}/dossiers/{self.number}"

    @property
    def instructeur_url(self) -> str:
        """The dossier's page on the platform, for those who handle it."""
        return f"{conf.site_url()}/procedures/{self.demarche.number}/dossiers/{self.number}"

    @property
    def messaging_url(self) -> str:
        """Where an agent answers its usager, on the platform."""
        return f"{self.instructeur_url}/messagerie"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def is_to_answer(self) -> bool:
        return self.usager_spoke_last and self.settled_until is None

    @property
    def state_since(self) -> datetime | None:
        """The moment when the present état began, as far as the platform's dates tell."""
        match self.state:
            case self.State.EN_CONSTRUCTION:
                return self.date_passage_en_construction
            case self.State.EN_INSTRUCTION:
                return self.date_passage_en_instruction
            case self.State.ACCEPTE | self.State.REFUSE | self.State.SANS_SUITE:
                return self.date_traitement
        return None

    @property
    def last_error(self) -> DSError | None:
        """The failure of the last try, if it failed."""
        if self.last_error_at is None:
            return None
        return stored_error(self.last_error_code, self.last_error_reason)


class Message(models.Model):
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
    from_usager = models.BooleanField(
        "écrit par l'usager",
        default=False,
        help_text="Le reste quand l'adresse de l'usager change, ou que le dossier change de mains.",
    )
    # Of its files (models/files.py): tells whether they changed without reading them.
    file_marks = models.TextField(blank=True, default="", db_default="", editable=False)

    class Meta:
        verbose_name = "message"
        default_permissions = ()
        permissions = (("view_message", "Peut voir les messages"),)
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
        """Who wrote it."""
        return Author.of(self.email, self.dossier.usager_email, from_usager=self.from_usager)

    @cached_property
    def attachments(self) -> list[Any]:
        """Its files; `attach_files` reads those of a whole conversation at once."""
        return list(self.files.all()) if self.file_marks else []

    @property
    def is_only_a_file(self) -> bool:
        """No text, although nothing was deleted: what was sent is an attachment."""
        return not self.body and self.discarded_at is None and self.absent_since is None
