"""What is counted over all processes, for whoever watches (health/metrics.py)."""

from django.db import models


class Counter(models.Model):
    """One figure that only grows (counters.py): no dossier, no person."""

    name = models.CharField(max_length=50)
    label = models.CharField(max_length=50, blank=True)
    value = models.FloatField(default=0)

    class Meta:
        verbose_name = "compteur"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=["name", "label"], name="counter_is_one"),)

    def __str__(self) -> str:
        return f"{self.name} {self.label}".strip()
