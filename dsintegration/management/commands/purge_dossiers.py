"""`manage.py purge_dossiers`: erases what is kept no longer, under cron or a systemd timer."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from dsintegration import conf, journal
from dsintegration.durations import in_words
from dsintegration.management.base import DossierCommand
from dsintegration.management.stopping import told_to_stop, was_stopped
from dsintegration.models import Outcome
from dsintegration.purging import RULES, Tally, due_dossiers, purge


class Command(DossierCommand):
    help = (
        "Efface les dossiers que l'on ne garde plus, avec leurs messages : ceux que la plateforme "
        "a effacés, et ceux qui dépassent les durées DS_PURGE_…. Efface aussi les entrées du "
        "journal plus anciennes que DS_JOURNAL_KEPT. Ce qui partirait pour sa date seule est "
        "d'abord redemandé à la plateforme ; sans réponse d'elle, il reste."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="dit ce qui serait effacé, sans rien changer."
        )

    def handle(self, *, dry_run: bool, **_: Any) -> None:
        kept = conf.journal_kept()
        if dry_run:
            counts: Counter[Outcome] = Counter()
            rows = due_dossiers(timezone.now()).order_by("number")
            found = rows.values_list("number", "reason", "is_confirmed")
            for number, reason, is_confirmed in found.iterator():
                counts[Outcome(reason)] += 1
                doubt = "" if is_confirmed else ", à confirmer auprès de la plateforme"
                self.stdout.write(f"{number} : {Outcome(reason).label}{doubt}")
            self._say("à effacer", counts)
            self.stdout.write("Rien n'a été effacé.")
            return
        tally = Tally()
        with told_to_stop() as must_stop:
            purge(tally, by=journal.command(), must_stop=must_stop)
        self._say("effacés", tally.dossiers)
        if tally.left:
            why = f" ({tally.trouble})" if tally.trouble else ""
            self.stdout.write(f"Laissés, faute de réponse de la plateforme : {tally.left}{why}")
        self.stdout.write(
            f"Journal, entrées de plus de {in_words(kept)} : {tally.entries}. "
            f"Accès d'usagers fermés : {tally.accesses}."
        )
        if must_stop():
            raise was_stopped()

    def _say(self, what: str, counts: Counter[Outcome]) -> None:
        delays = conf.purge_delays()
        self.stdout.write(f"Dossiers {what} : {counts.total()}")
        self.stdout.write(f"  {Outcome.ERASED.label} : {counts[Outcome.ERASED]}")
        for reason, (setting, _) in RULES.items():
            if (delay := delays[setting]) is None:
                self.stdout.write(f"  {reason.label} : gardé sans limite ({setting} est vide)")
            else:
                since = f"depuis plus de {in_words(delay)}"
                self.stdout.write(f"  {reason.label} {since} : {counts[reason]}")
