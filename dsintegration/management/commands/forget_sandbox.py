"""`manage.py forget_sandbox`: makes room for the real platform after a try with the sandbox."""

from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet, Value

from dsintegration import journal
from dsintegration.conf import SANDBOX_INSTANCE
from dsintegration.management.base import BAD_INPUT, DossierCommand
from dsintegration.mirror.erasing import erase
from dsintegration.mirror.locking import forget_instance, writing
from dsintegration.models import Demarche, Dossier, Outcome, Platform

BATCH = 500


class Command(DossierCommand):
    help = (
        "Vide une base qui ne contient que des dossiers inventés du bac à sable (DS_SANDBOX=1), "
        "pour qu'elle puisse recevoir ceux de la plateforme. Refuse toute autre base."
    )

    def handle(self, **_: Any) -> None:
        instance = Platform.objects.values_list("instance", flat=True).first() or ""
        if instance not in {"", SANDBOX_INSTANCE}:
            raise CommandError(
                f"cette base contient les dossiers de {instance}, pas ceux du bac à sable : rien "
                "n'a été effacé.",
                returncode=BAD_INPUT,
            )
        invented: QuerySet[Any] = Dossier.objects.annotate(reason=Value(Outcome.SANDBOX.value))
        by, erased = journal.command(), 0
        while pks := list(Dossier.objects.order_by("pk").values_list("pk", flat=True)[:BATCH]):
            erased += len(erase(invented, pks, by))
        with writing(None):
            Demarche.objects.filter(dossiers=None).delete()
            forget_instance()
        self.stdout.write(f"Bac à sable vidé, dossiers effacés : {erased}.")
