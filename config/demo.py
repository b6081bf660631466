"""A command on a prepared database: `python -m config.demo fetch_dossier 12345`.

The platform answers if a token is set, in the environment or in .env; otherwise the sandbox does.
"""

import os
import sys

from django.core.exceptions import ImproperlyConfigured

from config import env
from manage import SETTINGS_ARE_WRONG, main


def run(*arguments: str) -> None:
    try:
        env.read_file(env.BASE_DIR / ".env")
        has_token = bool(env.secret("DS_API_TOKEN"))
    except ImproperlyConfigured as err:
        print(err, file=sys.stderr)  # noqa: T201
        sys.exit(SETTINGS_ARE_WRONG)
    if has_token:
        print(  # noqa: T201
            "Plateforme : un jeton neuf se lie au premier réseau qui l'utilise ; si ce n'est pas "
            "cette machine qui doit s'en servir, arrêtez ici (Ctrl-C).",
            file=sys.stderr,
        )
    else:
        os.environ |= {"DS_SANDBOX": "1", "DEBUG": "1"}
        print(  # noqa: T201
            "Bac à sable : DS_API_TOKEN n'est pas rempli (.env), les dossiers sont inventés.",
            file=sys.stderr,
        )
    for argv in (["migrate", "--verbosity=0"], list(arguments)):
        sys.argv = ["manage.py", *argv]
        main()


if __name__ == "__main__":
    run(*sys.argv[1:])
