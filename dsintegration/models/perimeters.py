"""Which démarches the members of a group see in the admin."""

from django.contrib.auth.models import Group
from django.db import models

from dsintegration.models.mirror import Demarche


class Perimeter(models.Model):
    """The démarches of a service. What an account sees of them all: perimeters.py."""

    group = models.OneToOneField(
        Group,
        models.CASCADE,
        related_name="dsintegration_perimeter",
        verbose_name="service",
        help_text="Le groupe dont les membres voient ces démarches.",
    )
    demarches = models.ManyToManyField(
        Demarche, related_name="perimeters", blank=True, verbose_name="démarches"
    )

    class Meta:
        verbose_name = "périmètre"
        default_permissions = ()
        permissions = (
            ("add_perimeter", "Peut créer des périmètres"),
            ("change_perimeter", "Peut changer les périmètres"),
            ("delete_perimeter", "Peut supprimer des périmètres"),
            ("view_perimeter", "Peut voir les périmètres"),
            ("view_all_demarches", "Voit les dossiers de toutes les démarches"),
        )

    def __str__(self) -> str:
        return self.group.name
