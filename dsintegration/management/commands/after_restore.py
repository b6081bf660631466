"""`manage.py after_restore`: the first thing to run on a database that was restored."""

from typing import Any

from dsintegration.management.base import DossierCommand
from dsintegration.mirror import epoch


class Command(DossierCommand):
    help = (
        "À lancer en premier sur une base restaurée d'une sauvegarde, avant tout rafraîchissement "
        "et avant de rouvrir : avance les versions, et fait savoir aux copies tenues par l'API "
        "qu'elles doivent se vider et tout relire. Ne touche à aucun dossier ; peut être relancée."
    )

    def handle(self, **_: Any) -> None:
        row = epoch.begin()
        self.stdout.write(
            f"Époque {row.epoch} ; les versions reprennent après {row.version}. Les copies "
            "se videront et reliront tout.\n"
            "Ensuite : manage.py refresh_dossiers --full, puis manage.py purge_dossiers."
        )
