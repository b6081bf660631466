"""Files of dossiers, as the platform describes them; their bytes stay there, but for kept copies.

The platform gives a file no id of its own. It is the same one as long as it lies in the same place,
with the same checksum, name and moment: `key` says so.
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import models

from dsintegration.harmless import as_filename
from dsintegration.models.mirror import Dossier, Message


class Place(models.TextChoices):
    MESSAGE = "message", "message"
    CHAMP = "champ", "formulaire"
    MOTIVATION = "motivation", "motivation de la décision"
    ATTESTATION = "attestation", "attestation"


class Scan(models.TextChoices):
    """Of viruses. A verdict that is not here is stored and shown as it came."""

    PENDING = "pending", "analyse antivirus en cours"
    SAFE = "safe", "sans virus connu"
    INFECTED = "infected", "infecté par un virus"
    INTEGRITY_ERROR = "integrity_error", "fichier abîmé"


class File(models.Model):
    dossier = models.ForeignKey(
        Dossier, models.CASCADE, related_name="files", verbose_name="dossier"
    )
    place = models.CharField("où il est joint", max_length=20, choices=Place)
    message = models.ForeignKey(
        Message, models.CASCADE, related_name="files", null=True, blank=True, verbose_name="message"
    )
    champ_id = models.CharField(
        "champ",
        max_length=255,
        blank=True,
        default="",
        help_text="Identifiant sur la plateforme, avec celui de sa ligne dans un bloc répétable.",
    )
    filename = models.TextField("nom du fichier")
    content_type = models.CharField("type", max_length=255, blank=True)
    byte_size = models.BigIntegerField("taille en octets")
    checksum = models.CharField("somme MD5, en base64", max_length=255, blank=True)
    created_at = models.DateTimeField("joint le")
    scan = models.CharField("analyse antivirus", max_length=255, choices=Scan)
    key = models.CharField(max_length=32, editable=False)
    # One that could not be copied (files/copies.py) is not tried before that.
    next_copy_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "fichier"
        default_permissions = ()
        # Those of one message may share a second; rows are created in the platform's own order.
        ordering = ("created_at", "id")
        constraints = (models.UniqueConstraint(fields=["key"], name="file_key_is_unique"),)
        indexes = (
            models.Index(fields=["checksum"], name="file_checksum"),
            # Few rows of many: those whose verdict is awaited.
            models.Index(
                fields=["created_at"], name="file_pending", condition=models.Q(scan="pending")
            ),
        )

    def __str__(self) -> str:
        return f"Fichier {self.pk} du dossier n° {self.dossier.number}"

    @property
    def mark(self) -> str:
        """What tells that the row is as the platform describes the file."""
        told = json.dumps([self.content_type, self.byte_size, self.scan])
        return f"{self.key}:{hashlib.sha256(told.encode()).hexdigest()[:8]}:{self.place}"

    @property
    def safe_name(self) -> str:
        """The name under which it may be kept on a disk."""
        return as_filename(self.filename)

    @property
    def md5(self) -> str:
        return md5_of(self.checksum)


class FileCopy(models.Model):
    """Bytes that are kept here (DS_FILES=kept), once for all files that have them."""

    checksum = models.CharField("somme MD5, en base64", max_length=255)
    byte_size = models.BigIntegerField("taille en octets")
    name = models.CharField("nom dans l'espace de stockage", max_length=255)
    kept_at = models.DateTimeField("copié le")

    class Meta:
        verbose_name = "copie de fichier"
        verbose_name_plural = "copies de fichiers"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["checksum", "byte_size"], name="copy_is_unique"),
        )

    def __str__(self) -> str:
        return f"Copie {self.pk}"


def md5_of(checksum: str) -> str:
    """In hexadecimal; empty where the platform gave none that we can read."""
    try:
        digest = base64.b64decode(checksum, validate=True)
    except ValueError:
        return ""
    return digest.hex() if len(digest) == 16 else ""


def key_of(
    place: str, owner: str, checksum: str, filename: str, created_at: datetime, rank: int = 0
) -> str:
    """`owner`: what it lies in, by an id that is unique over all dossiers; `rank`: among those of
    which all the rest is alike.
    """
    told = [place, owner, checksum, filename, created_at.astimezone(UTC).isoformat(), rank]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def attach_files(messages: Iterable[Message]) -> None:
    """Give each message its `attachments`, in one statement; none where no message has any."""
    with_files = {message.pk: message for message in messages if message.file_marks}
    found = defaultdict(list)
    if with_files:
        for file in File.objects.filter(message__in=with_files):
            found[file.message_id].append(file)
    for message in messages:
        message.__dict__["attachments"] = found[message.pk]
