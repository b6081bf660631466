"""What our commands share: French for their users, truthful exit statuses, no traceback.

| exit status | meaning |
|---|---|
| 0 | all went well |
| 1 | failures of different kinds, or of the database |
| 2 | bad input: nothing was done |
| 3, 4, 5, 6 | not found, access denied, unavailable, invalid response (exceptions.py) |
| 7 | settings are wrong |
| 8 | all works, and soon will not, or what is shown is stale |
"""

import re
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connections

from dsintegration.database import Trouble, trouble
from dsintegration.exceptions import (
    DemarcheNotFound,
    DossierNotFound,
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
)
from dsintegration.harmless import in_a_terminal

MIXED, BAD_INPUT, WRONG_SETTINGS, ENDS_SOON_OR_STALE = 1, 2, 7, 8
STATUS_OF: dict[type[DSError], int] = {
    DossierNotFound: 3,
    DemarcheNotFound: 3,
    DSAccessDenied: 4,
    DSUnavailable: 5,
    DSInvalidResponse: 6,
}

# argparse speaks English; its sentences, as of Python 3.11 to 3.14, and ours.
FRENCH = {
    r"the following arguments are required: (.*)": r"il manque : \1",
    r"unrecognized arguments: (.*)": r"argument inconnu : \1",
    r"ambiguous option: (\S+) could match (.*)": r"\1 peut vouloir dire \2 : écrivez-le en entier",
    r"argument (\S+): expected one argument": r"\1 attend une valeur",
    r"argument (\S+): expected at least one argument": r"\1 attend au moins une valeur",
    r"argument (\S+): ignored explicit argument (.*)": r"\1 n'attend pas de valeur",
    r"argument (\S+): invalid choice: (.*) \(choose from (.*)\)": r"\1 : \2 n'est pas parmi \3",
    r"argument (\S+): invalid (?:int|float) value: (.*)": r"\1 : \2 n'est pas un nombre",
    r"argument (\S+): not allowed with argument (.*)": r"\1 et \2 ne vont pas ensemble",
    r"argument (\S+): (.*)": r"\1 : \2",
}


def in_french(message: str) -> str:
    for english, french in FRENCH.items():
        if match := re.fullmatch(english, message, re.DOTALL):
            return match.expand(french)
    return "ligne de commande incorrecte"


def spent(requests: int, seconds: float) -> str:
    return f"requêtes : {requests}, en {seconds:.1f} s".replace(".", ",")


class DossierCommand(BaseCommand):
    """A command of ours. Checks run at `migrate` and `check`; a fetch reads its settings itself."""

    requires_system_checks = ()
    suppressed_base_arguments = {  # noqa: RUF012  # as in BaseCommand
        "--version",
        "--verbosity",
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
    }

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(
            prog_name, subcommand, add_help=False, allow_abbrev=False, **kwargs
        )
        parser.add_argument("-h", "--help", action="help", help="affiche cette aide.")
        parser._positionals.title = "arguments"
        parser._optionals.title = "options"

        def error(message: str) -> Any:
            sentence = in_a_terminal(in_french(message))  # it repeats what was typed or pasted
            raise CommandError(f"{sentence} ; voir {parser.prog} --help", returncode=BAD_INPUT)

        parser.error = error  # type: ignore[method-assign]
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """As Django's, but for the words `CommandError:` in front of what people read."""
        self._called_from_command_line = True
        options: dict[str, Any] = {}
        try:
            options = vars(self.create_parser(argv[0], argv[1]).parse_args(argv[2:]))
            self.execute(**options)
        except CommandError as err:
            if options.get("traceback"):
                raise
            if message := str(err):
                self.stderr.write(message)
            sys.exit(err.returncode)
        finally:
            connections.close_all()

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except ImproperlyConfigured as err:
            raise CommandError(str(err), returncode=WRONG_SETTINGS) from err
        except (DatabaseError, InterfaceError) as err:
            if trouble(err) is Trouble.FULL:
                raise CommandError(
                    "la base de données n'a plus de place sur son disque ; faites-en, puis "
                    "relancez : ce qui était enregistré l'est toujours.",
                    returncode=MIXED,
                ) from err
            raise CommandError(
                f"la base de données ne répond pas comme prévu ({type(err).__name__}) ; vérifiez "
                "DATABASE_URL et qu'elle est en service, puis lancez « manage.py migrate ».",
                returncode=MIXED,
            ) from err
