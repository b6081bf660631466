"""`manage.py follow_demarche`: has the mirror hold a whole démarche, and imports it."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from dsintegration import journal
from dsintegration.exceptions import DSError
from dsintegration.harmless import in_a_terminal
from dsintegration.management.base import BAD_INPUT, STATUS_OF, DossierCommand, spent
from dsintegration.management.stopping import told_to_stop, was_stopped
from dsintegration.models import Demarche, Dossier
from dsintegration.numbers import InvalidNumber, parse_number


class Command(DossierCommand):
    help = (
        "Suit une démarche en entier : récupère tous ses dossiers, que chaque rafraîchissement "
        "tient ensuite à jour, les nouveaux compris. Interrompue, la récupération est reprise par "
        "le rafraîchissement suivant."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="NUMÉRO", help="le numéro de la démarche.")
        parser.add_argument(
            "--stop",
            action="store_true",
            help="ne plus la suivre ; ce qui est enregistré reste, et reste à jour.",
        )

    def handle(self, *, number: str, stop: bool, **_: Any) -> None:
        try:
            demarche_number = parse_number(number, "démarche")
        except InvalidNumber as err:
            raise CommandError(str(err), returncode=BAD_INPUT) from err
        if stop:
            self._stop(demarche_number)
        else:
            self._follow(demarche_number)

    def _stop(self, number: int) -> None:
        from dsintegration.mirror.following import set_followed

        demarche = Demarche.objects.filter(number=number).first()
        if demarche is None or not demarche.followed:
            raise CommandError(f"la démarche n° {number} n'est pas suivie.", returncode=BAD_INPUT)
        set_followed(demarche, followed=False)
        self.stdout.write(f"La démarche n° {number} n'est plus suivie ; ses dossiers restent.")

    def _follow(self, number: int) -> None:
        from dsintegration.platform.client import get_client
        from dsintegration.refresh import AlreadyRunning, Tally, refresh
        from dsintegration.services import follow_demarche

        client, tally = get_client(patient=True), Tally()
        sent_before, started = client.requests, time.monotonic()
        try:
            demarche = follow_demarche(number, client=client)
        except DSError as err:
            raise CommandError(
                f"Démarche n° {number} : {err.sentence}", returncode=STATUS_OF[type(err)]
            ) from err
        title = in_a_terminal(demarche.title)
        try:
            with told_to_stop() as must_stop, tqdm(unit="dossier", disable=None) as bar:
                done = refresh(
                    Dossier.objects.none(),
                    tally,
                    followed=Demarche.objects.filter(pk=demarche.pk),
                    is_partial=True,
                    must_stop=must_stop,
                    client=client,
                    by=journal.command(unattended=True),
                )
                for count in done:
                    bar.update(count)
        except AlreadyRunning:
            self.stdout.write(
                f"« {title} » est suivie. Un rafraîchissement est en cours : le suivant "
                "récupérera ses dossiers."
            )
            return
        self.stdout.write(
            f"« {title} » est suivie. Récupérés : {tally.fetched}, en échec : {tally.failed} ; "
            f"{spent(client.requests - sent_before, time.monotonic() - started)}."
        )
        if must_stop():
            raise was_stopped()
        if failure := tally.stopped_by or next(iter(tally.failures.values()), None):
            raise CommandError(
                f"{failure.sentence}\nLa suite au prochain rafraîchissement.",
                returncode=STATUS_OF[type(failure)],
            )
