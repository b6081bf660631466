"""`manage.py refresh_dossiers`: what keeps the mirror fresh, under cron or a systemd timer."""

import time
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from dsintegration.durations import parse_duration
from dsintegration.exceptions import DSError
from dsintegration.management.base import BAD_INPUT, MIXED, STATUS_OF, DossierCommand, spent
from dsintegration.management.stopping import told_to_stop, was_stopped
from dsintegration.models import Demarche
from dsintegration.numbers import MAX_NUMBER


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as err:
        raise ArgumentTypeError(f"« {text[:40]} » : {err}") from err


def _positive(text: str) -> int:
    is_short = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER))
    if not (is_short and 0 < int(text) <= MAX_NUMBER):
        raise ArgumentTypeError(f"« {text[:40]} » n'est pas un nombre entier de 1 à {MAX_NUMBER}")
    return int(text)


def _example(err: DSError) -> str:
    """Of a failure of which there may be several."""
    if err.dossier_number:
        return f", par exemple le dossier n° {err.dossier_number}"
    return f", par exemple la démarche n° {err.demarche_number}" if err.demarche_number else ""


class Command(DossierCommand):
    help = (
        "Rafraîchit les dossiers enregistrés, les plus anciens d'abord : ceux qui sont ouverts "
        "plus souvent que ceux qui sont terminés ou absents. S'arrête de lui-même, et reprend au "
        "lancement suivant ce qu'il n'a pas fini."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            type=_duration,
            metavar="DURÉE",
            help="seulement ceux qui sont vérifiés depuis plus longtemps : 30m, 1h, 2d. "
            "Par défaut, DS_REFRESH_AFTER et DS_REFRESH_FINISHED_AFTER.",
        )
        parser.add_argument(
            "--limit", type=_positive, metavar="N", help="au plus N dossiers, un par un."
        )
        parser.add_argument(
            "--state",
            action="append",
            metavar="ÉTAT",
            help="seulement ceux de cet état, par exemple en_instruction ; peut être répété.",
        )
        parser.add_argument(
            "--demarche",
            action="append",
            type=_positive,
            metavar="NUMÉRO",
            help="seulement ceux de cette démarche ; peut être répété.",
        )
        parser.add_argument(
            "--full",
            action="store_true",
            help="récupère chacun en entier, même ce que la plateforme ne date pas : titre de la "
            "démarche, changement d'usager ou d'adresse. À lancer une fois par jour. Avec "
            "--older-than, ceux qui ne l'ont pas été depuis ce temps.",
        )

    def handle(
        self,
        *,
        older_than: timedelta | None,
        limit: int | None,
        state: list[str] | None,
        demarche: list[int] | None,
        full: bool,
        **_: Any,
    ) -> None:
        from dsintegration import journal
        from dsintegration.platform.client import get_client
        from dsintegration.refresh import AlreadyRunning, Tally, due_dossiers, refresh

        due = due_dossiers(older_than, full=full)
        followed = Demarche.objects.all()
        if state:
            due, followed = due.filter(state__in=state), followed.none()
        if demarche:
            known = set(Demarche.objects.values_list("number", flat=True))
            if unknown := sorted(set(demarche) - known):
                raise CommandError(
                    f"aucun dossier enregistré pour la démarche n° {unknown[0]}.",
                    returncode=BAD_INPUT,
                )
            due = due.filter(demarche__number__in=demarche)
            followed = followed.filter(number__in=demarche)

        client, tally = get_client(patient=True), Tally()
        sent_before, started = client.requests, time.monotonic()
        try:
            with told_to_stop() as must_stop:
                done = refresh(
                    due,
                    tally,
                    full=full,
                    limit=limit,
                    followed=followed,
                    is_partial=bool(state or demarche),
                    must_stop=must_stop,
                    client=client,
                    by=journal.command(unattended=True),
                )
                with tqdm(total=due.count(), unit="dossier", disable=None) as bar:
                    for count in done:
                        bar.update(count)
        except AlreadyRunning:
            self.stdout.write("Un autre rafraîchissement est en cours : celui-ci s'arrête.")
            return
        self.stdout.write(
            f"Récupérés : {tally.fetched} (changés : {tally.changed}), "
            f"sans changement d'après leur démarche : {tally.checked}, "
            f"absents : {tally.absent}, refusés : {tally.denied}, en échec : {tally.failed} ; "
            f"{spent(client.requests - sent_before, time.monotonic() - started)}."
        )
        if must_stop():
            raise was_stopped()
        self._end(tally)

    def _end(self, tally: Any) -> None:
        """Say what failed, once a kind; the exit status tells the truth."""
        if not tally.failures:
            return
        lines = [f"En échec{_example(err)} : {err.sentence}" for err in tally.failures.values()]
        if tally.stopped_by:
            lines.append("Arrêté avant la fin : la suite au prochain lancement.")
        statuses = {STATUS_OF[kind] for kind in tally.failures}
        raise CommandError(
            "\n".join(lines), returncode=statuses.pop() if len(statuses) == 1 else MIXED
        )
