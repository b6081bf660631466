"""The project on a prepared database, for a first try: `python -m config.demo COMMAND`.

`fetch_dossier 12345` fetches, `serve` opens the pages. The platform answers if a token is set, in
the environment or in .env; otherwise the sandbox does.
"""

import io
import os
import secrets
import socket
import sys

from django.core.exceptions import ImproperlyConfigured

from config import env
from manage import SETTINGS_ARE_WRONG, main

ACCOUNT = "demo"
# Those of the sandbox.
FIRST_DOSSIERS = range(12345, 12359)
# Its démarche whose form has every kind of champ; columns that the demo adds to a list.
FULL_FORM = 901
COLUMNS = 3


def address() -> str:
    """Where the pages are: on this machine, at PORT."""
    port = env.integer("PORT", 8000)
    try:
        with socket.create_server(("127.0.0.1", port)):
            return f"127.0.0.1:{port}"
    except OverflowError as err:
        raise ImproperlyConfigured("PORT doit être un nombre de 1 à 65535.") from err
    except OSError as err:
        raise ImproperlyConfigured(
            f"Le port {port} ne peut pas être pris ({err.strerror}) : essayez-en un autre, par "
            "exemple « make run PORT=8001 »."
        ) from err


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201


def manage(*arguments: str) -> None:
    sys.argv = ["manage.py", *arguments]
    main()


def choose_platform() -> bool:
    """Whether the sandbox answers, for want of a token."""
    env.read_file(env.BASE_DIR / ".env")
    if env.secret("DS_API_TOKEN"):
        say(
            "Plateforme : un jeton neuf se lie au premier réseau qui l'utilise ; si ce n'est pas "
            "cette machine qui doit s'en servir, arrêtez ici (Ctrl-C)."
        )
        return False
    os.environ["DS_SANDBOX"] = "1"
    if not env.text("DEBUG"):
        os.environ["DEBUG"] = "1"
    say("Bac à sable : DS_API_TOKEN n'est pas rempli (.env), les dossiers sont inventés.")
    return True


def serve(*, sandbox: bool) -> None:
    """The pages, with an account made for the occasion. Never in production."""
    if not env.boolean("DEBUG"):
        raise ImproperlyConfigured(
            "« make run » est une démonstration, avec un compte qui peut tout : mettez DEBUG=1 "
            "dans .env, ou servez le projet avec gunicorn."
        )
    where = address()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from dsintegration.services import fetch_dossier

    call_command("setup_groups", stdout=io.StringIO())
    if sandbox:
        choose_everything(FULL_FORM)
        for number in FIRST_DOSSIERS:
            fetch_dossier(number)
        bring_the_crowd()
    account, _ = get_user_model().objects.get_or_create(username=ACCOUNT)
    password = secrets.token_urlsafe(9)
    account.is_staff = account.is_superuser = True
    account.set_password(password)
    account.save()
    say(f"Administration : http://{where}/admin/   compte : {ACCOUNT}   mot de passe : {password}")
    say(f"Page de l'usager : http://{where}/suivi/   le courriel s'affichera ici")
    manage("runserver", "--noreload", where)


def choose_everything(demarche_number: int) -> None:
    """Of an invented form, whose answers are nobody's; of a real one, as little as is needed."""
    from dsintegration import journal
    from dsintegration.mirror.choices import choose
    from dsintegration.services import read_form

    demarche = read_form(demarche_number)
    rows = list(demarche.champs.all())
    kept = [row for row in rows if row.can_be_kept]
    shown = [row.ds_id for row in kept if row.type in {"Text", "DecimalNumber"}][:COLUMNS]
    choose(
        demarche,
        by=journal.command(),
        champs=[row.ds_id for row in kept if not row.is_annotation],
        annotations=[row.ds_id for row in kept if row.is_annotation],
        demandeur=True,
        instruction=True,
        uses={
            row.ds_id: [
                *(["in_list"] if row.ds_id in shown else []),
                *(["is_searchable"] if row.can_be_searched else []),
            ]
            for row in rows
        },
    )


def bring_the_crowd() -> None:
    """Some thousands of dossiers, here and in the sandbox; by no request, which would take long."""
    from django.utils import timezone

    from dsintegration import journal
    from dsintegration.conf import SANDBOX_INSTANCE
    from dsintegration.mirror.choices import selections
    from dsintegration.mirror.storing import store
    from dsintegration.moments import Moment
    from dsintegration.payloads.dossiers import parse_dossier
    from dsintegration.sandbox import running_sandbox
    from dsintegration.sandbox.crowd import TITLES, crowd
    from dsintegration.sandbox.forms import as_asked

    dossiers = crowd()
    running_sandbox().dossiers.update(dossiers)
    for demarche in TITLES:
        choose_everything(demarche)
    chosen = selections().by_demarche
    payloads = []
    for number, dossier in dossiers.items():
        selection = chosen[dossier["demarche"]["number"]]
        payloads.append(parse_dossier(as_asked(dossier, selection.champs), number, selection))
    now = timezone.now()
    for start in range(0, len(payloads), 200):
        store(payloads[start : start + 200], SANDBOX_INSTANCE, Moment(now, now), journal.TASK)


def run(*arguments: str) -> None:
    try:
        sandbox = choose_platform()
        manage("migrate", "--verbosity=0", "--skip-checks")
        if arguments == ("serve",):
            serve(sandbox=sandbox)
        else:
            manage(*arguments)
    except ImproperlyConfigured as err:
        say(str(err))
        sys.exit(SETTINGS_ARE_WRONG)


if __name__ == "__main__":
    run(*sys.argv[1:])
