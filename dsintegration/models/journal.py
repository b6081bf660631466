"""The journal: who saw, fetched or exported which dossier. Rows are added, and later forgotten."""

from datetime import datetime
from typing import Any, NoReturn

from django.db import models
from django.utils import timezone

from dsintegration.exceptions import stored_error


class Interface(models.TextChoices):
    ADMIN = "admin", "administration"
    API = "api", "API REST"
    USAGER = "usager", "page de l'usager"
    COMMAND = "command", "commande"
    TASK = "task", "tâche de fond"
    CODE = "code", "programme de l'administration"


class Action(models.TextChoices):
    VIEW = "view", "consultation"
    FILE = "file", "ouverture d'un fichier"
    LIST = "list", "liste"
    FETCH = "fetch", "récupération"
    REFRESH = "refresh", "rafraîchissement"
    EXPORT = "export", "export"
    LINK = "link", "demande de lien"
    SETTLE = "settle", "rien à répondre"
    PURGE = "purge", "effacement"
    CHOOSE = "choose", "choix de ce qui est conservé"


class Outcome(models.TextChoices):
    """What is not the `code reason` of a DSError."""

    SHOWN = "shown", "montré"
    CREATED = "created", "créé"
    CHANGED = "changed", "mis à jour"
    UNCHANGED = "unchanged", "inchangé"
    NOT_FOUND = "not_found", "introuvable"
    NOT_WANTED = "not_wanted", "réponse écartée sans être enregistrée"
    # A link
    SENT = "sent", "envoyé"
    NO_MATCH = "no_match", "pas de lien : dossier inconnu ou autre adresse"
    LIMITED = "limited", "pas de lien : trop de demandes"
    UNREACHABLE = "unreachable", "pas de lien : la plateforme n'a pas pu être interrogée"
    MAIL_FAILED = "mail_failed", "pas de lien : courriel en échec"
    NO_ADDRESS = "no_address", "pas de lien : DS_PUBLIC_URL manque"
    OTHER_KEY = "other_key", "pas de lien : demandé sous une autre SECRET_KEY"
    OPENED = "opened", "lien ouvert"
    # A whole refresh
    DONE = "done", "terminé"
    STOPPED = "stopped", "arrêté sur demande"
    # A purge: why
    ERASED = "erased", "effacé de la plateforme"
    ABSENT = "absent", "absent de la plateforme"
    EXPIRED = "expired", "expiré"
    DELETED_BY_USAGER = "deleted_by_usager", "supprimé par l'usager"
    FORGOTTEN = "forgotten", "entrées du journal oubliées"
    SANDBOX = "sandbox", "bac à sable vidé"


# Entries that name several dossiers.
LISTS = ~models.Q(numbers="")


class AppendOnly(Exception):
    """An entry of the journal was to be changed, or taken out of turn."""


class JournalEntryQuerySet(models.QuerySet["JournalEntry"]):
    def about(self, number: int) -> "JournalEntryQuerySet":
        """Those of the dossier `number`, with the lists that showed it."""
        listed = models.Q(LISTS, numbers__contains=f",{number},")
        return self.filter(models.Q(dossier_number=number) | listed)

    def forget_before(self, moment: datetime, *, at_most: int) -> int:
        """Take out the oldest entries that are older than that; how many. The only way out."""
        oldest = self.filter(at__lt=moment).order_by("at", "pk").values_list("pk", flat=True)
        pks = list(oldest[:at_most])
        if pks:
            self.filter(pk__in=pks)._raw_delete(self.db)
        return len(pks)

    def update(self, **_: Any) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *_: Any, **__: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class JournalEntry(models.Model):
    """One access, by whoever it was. It holds numbers of dossiers: no address, no text.

    A trigger of the database refuses any change, whoever asks for it.
    """

    at = models.DateTimeField("moment", default=timezone.now)
    interface = models.CharField("interface", max_length=10, choices=Interface)
    actor = models.CharField(
        "auteur",
        max_length=150,
        blank=True,
        help_text="Compte, clé de l'API ou compte du système ; vide pour un usager.",
    )
    actor_ref = models.CharField(
        "identifiant de l'auteur", max_length=64, blank=True, help_text="Du compte, ou de la clé."
    )
    action = models.CharField("action", max_length=10, choices=Action)
    outcome = models.CharField("issue", max_length=80)
    dossier_number = models.PositiveIntegerField("numéro de dossier", null=True, blank=True)
    numbers = models.TextField("numéros de dossier", blank=True, help_text="Ceux d'une liste.")
    count = models.PositiveIntegerField("nombre de dossiers", default=1)
    # Whose perimeter an entry is in; what an older version wrote has neither.
    demarche_number = models.PositiveIntegerField("numéro de la démarche", null=True, blank=True)
    demarches = models.TextField(
        "numéros des démarches",
        blank=True,
        default="",
        help_text="Dans une liste, celle de chaque dossier, dans le même ordre.",
    )
    detail = models.CharField(
        "ce qui a changé",
        max_length=255,
        blank=True,
        default="",
        help_text="Des noms, pas de texte.",
    )

    objects = JournalEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "entrée du journal"
        verbose_name_plural = "entrées du journal"
        default_permissions = ()
        permissions = (("view_journalentry", "Peut lire le journal"),)
        indexes = (
            models.Index(fields=["at", "id"], name="journal_at"),
            models.Index(fields=["dossier_number", "at"], name="journal_dossier"),
            models.Index(fields=["demarche_number", "at"], name="journal_demarche"),
            models.Index(fields=["actor", "at"], name="journal_actor"),
            models.Index(fields=["action", "at"], name="journal_action"),
            models.Index(fields=["interface", "at"], name="journal_interface"),
            models.Index(fields=["at"], name="journal_lists", condition=LISTS),
        )

    def __str__(self) -> str:
        return f"{self.get_action_display()}, {timezone.localtime(self.at):%d/%m/%Y %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise AppendOnly

    @property
    def outcome_label(self) -> str:
        """What became of it, in French; a failure in the words of exceptions.py."""
        if self.outcome in Outcome:
            return Outcome(self.outcome).label
        code, _, reason = self.outcome.partition(" ")
        try:
            return f"échec : {stored_error(code, reason).sentence}"
        except (StopIteration, ValueError):  # what another version wrote
            return self.outcome

    @property
    def listed(self) -> list[int]:
        """The dossiers of a list, in its order."""
        return _numbers(self.numbers)

    @property
    def listed_demarches(self) -> list[int]:
        """The démarche of each of them, or those of a list that is not named; empty if unknown."""
        return _numbers(self.demarches)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]
