"""The admin's pages at 1,000,000 dossiers over the same at 1,000, in PostgreSQL."""

import io
import os
import statistics
from itertools import product

from tests.bench.clock import seconds
from tests.bench.million import answer_all, fill
from tests.bench.statements import count_statements

# The few are numbered so that a search finds a full page of them too: what is compared is the
# search, and not the writing of a hundred rows with that of one. Their dates
# are of the last months, as those of the first thousand of the many are.
SIZES = {"small": (752_601, 753_600), "large": (1, 1_000_000)}
TURNS = 9
AT_MOST, STATEMENTS = 2.3, 12
# What the second agent sees, by number: the largest démarche and two others.
PERIMETER = [1, 8, 9]
FILTER = "/admin/dsintegration/dossier/?demarche__id__exact={demarche}&champ.{demarche}"
PAGES = {
    "list": "/admin/dsintegration/dossier/",
    "list by deposit": "/admin/dsintegration/dossier/?o=6",
    "list of an état": "/admin/dsintegration/dossier/?state__exact=accepte",
    "list to answer": "/admin/dsintegration/dossier/?situation=a_repondre",
    "list of a démarche": "/admin/dsintegration/dossier/?demarche__id__exact={demarche}",
    "list changed today": "/admin/dsintegration/dossier/?modifie=jour",
    "list of a month": "/admin/dsintegration/dossier/?depot=mois",
    "search by number": "/admin/dsintegration/dossier/?q=752",
    "search by address": "/admin/dsintegration/dossier/?q=usager250900@example.org",
    "search by part of it": "/admin/dsintegration/dossier/?q=ager2509",
    "search of part of n°": "/admin/dsintegration/dossier/?q=7527",
    "search of inner part": "/admin/dsintegration/dossier/?q=4321",
    "search for nothing": "/admin/dsintegration/dossier/?q=nobody",
    "search by démarche": "/admin/dsintegration/dossier/?q=n°+1",
    "search by title": "/admin/dsintegration/dossier/?q=aide",
    "search by SIRET": "/admin/dsintegration/dossier/?q=100+059+392+50000",
    "search by a name": "/admin/dsintegration/dossier/?q=exemple750+fin",
    "search, common word": "/admin/dsintegration/dossier/?q=commune",
    "filter by a name": f"{FILTER}-1=exemple750+fin",
    "filter by a choice": f"{FILTER}-5=choix",
    "filter by amounts": f"{FILTER}-2.min=700&champ.{{demarche}}-2.max=900",
    "filter by many": f"{FILTER}-2.min=300",
    "filter by days": f"{FILTER}-3.min=2026-01-01",
    "one of the queue": (
        "/admin/dsintegration/dossier/{waiting}/change/?_changelist_filters=situation%3Da_repondre"
    ),
    "one dossier": "/admin/dsintegration/dossier/{dossier}/change/",
    "dashboard": "/admin/",
    "démarches": "/admin/dsintegration/demarche/",
}


def main() -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ALLOWED_HOSTS": "testserver",
        "DS_API_TOKEN": "a" * 84,
        "SECRET_KEY": "for the bench only",
        "DS_SANDBOX": "",
        "DEBUG": "1",  # static files by their own names; nothing else of it shows in a ratio
    }
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import Group, User
    from django.core.cache import cache
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from dsintegration.mirror.summary import count
    from dsintegration.models import Demarche, Dossier, Perimeter

    settings.DEBUG = False  # its log of statements grows without end
    settings.WHITENOISE_AUTOREFRESH = True

    def use(schema: str) -> None:
        """Both sizes lie in one database, so that pages are measured in turn."""
        cache.key_prefix = schema
        with connection.cursor() as cursor:
            # The extension of the search lies in the second one, for both sizes.
            cursor.execute(f"SET search_path TO {schema}, public")

    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public")
    clients, known = {}, {}
    for schema, (first, last) in SIZES.items():
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {schema}")
        use(schema)
        call_command("migrate", verbosity=0)
        call_command("setup_groups", stdout=io.StringIO())
        agent = User.objects.create_user("agent", is_staff=True)
        agent.groups.set(Group.objects.all())
        fill(first, last)
        answer_all()
        limited = User.objects.create_user("limited", is_staff=True)
        limited.groups.set(Group.objects.exclude(name="Toutes les démarches"))
        service = Group.objects.create(name="Service")
        perimeter = Perimeter.objects.create(group=service)
        perimeter.demarches.set(Demarche.objects.filter(number__in=PERIMETER))
        limited.groups.add(service)
        for account in (agent, limited):
            clients[account.username, schema] = Client()
            clients[account.username, schema].force_login(account)
        dossier = Dossier.objects.get(number=752_700)  # of the démarche that has a third of all
        waiting = Dossier.objects.to_answer().filter(demarche=dossier.demarche_id)
        known[schema] = {
            "dossier": dossier.pk,
            "demarche": dossier.demarche_id,
            "waiting": waiting.order_by("waiting_since")[3].pk,
        }

    sizes = [f"{last - first + 1:,}" for first, last in SIZES.values()]
    print(f"Admin pages at {sizes[1]} dossiers over {sizes[0]} (PostgreSQL)")
    for (name, page), who in product(PAGES.items(), ("agent", "limited")):
        times: dict[str, list[float]] = {schema: [] for schema in SIZES}
        statements, rows = {}, {}
        for turn in range(TURNS + 1):
            for schema in SIZES:
                client, url = clients[who, schema], page.format(**known[schema])
                use(schema)
                with CaptureQueriesContext(connection) as captured:
                    times[schema].append(seconds(lambda u=url, c=client: c.get(u)))
                    statements[schema] = count_statements(captured)
                if turn == 0:
                    times[schema].clear()
                    answer = client.get(url)
                    assert answer.status_code == 200, url
                    rows[schema] = answer.content.count(b'name="_selected_action"')
        few, many = (statistics.median(times[schema]) for schema in SIZES)
        told = f"{many / few:5.2f}   ({many * 1000:.0f} ms over {few * 1000:.0f} ms)"
        asked, shown = (f"{of['large']} over {of['small']}" for of in (statements, rows))
        print(
            f"    {who:7} {name:20} {told}   at most {AT_MOST};   rows {shown};"
            f"   statements {asked}   at most {STATEMENTS}"
        )
    print(
        f"    the summary itself takes {seconds(count) * 1000:.0f} ms, every five minutes at most"
    )


if __name__ == "__main__":
    main()
