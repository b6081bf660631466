"""Many dossiers in PostgreSQL, made there: three messages each.

Of two hundred démarches, the first has a third of all dossiers.
"""

from importlib import import_module

from django.db import connection

DEMARCHES = 200
# Every état, more open dossiers than old ones; dates over three years; a usager has three dossiers.
DOSSIERS = """
INSERT INTO dsintegration_dossier (
    number, ds_id, demarche_id, state, usager_email, date_depot, date_passage_en_construction,
    date_passage_en_instruction, date_traitement, date_derniere_modification,
    usager_account_deleted, messages_count, last_message_at, last_message_author,
    usager_spoke_last, last_human_at, last_human_author, waiting_since, version, changed_at,
    fetched_at, checked_at, absent_since,
    last_error_code, last_error_reason, last_error_at,
    content_key, content_error_reason
)
SELECT
    n, 'RG9zc2llci0' || n, (SELECT min(id) FROM dsintegration_demarche)
        + CASE WHEN n %% 3 = 0 THEN 0 ELSE n %% %(demarches)s END,
    (ARRAY['en_construction', 'en_instruction', 'accepte', 'refuse', 'sans_suite'])[1 + n %% 5],
    'Usager' || n / 3 || '@example.org', filed, filed, filed + interval '5 days',
    CASE WHEN n %% 5 > 1 THEN filed + interval '40 days' END, filed + interval '9 days',
    false, 3, filed + interval '9 days', 'usager',
    n %% 11 = 0, filed + interval '9 days', CASE WHEN n %% 11 = 0 THEN 'usager' ELSE 'autre' END,
    CASE WHEN n %% 11 = 0 THEN filed + interval '9 days' END, n, filed + interval '10 days',
    filed + interval '10 days',
    filed + interval '10 days', CASE WHEN n %% 500 = 0 THEN filed + interval '60 days' END,
    CASE WHEN n %% 1000 = 1 THEN 'upstream_unavailable' ELSE '' END,
    CASE WHEN n %% 1000 = 1 THEN 'query_timeout' ELSE '' END,
    CASE WHEN n %% 1000 = 1 THEN filed + interval '60 days' END,
    '', ''
FROM (
    SELECT n, now() - (n::bigint * 7919 %% 94600000) * interval '1 second' AS filed
    FROM generate_series(%(first)s, %(last)s) AS n
) AS numbers
"""
MESSAGES = """
INSERT INTO dsintegration_message (dossier_id, ds_id, email, body, created_at, from_usager)
SELECT
    dossier.id, 'Commentaire-' || dossier.number || '-' || rank,
    (ARRAY['contact@demarche.numerique.gouv.fr', 'agent@agglo.example.org', usager_email])[rank],
    repeat('Bonjour, il manque le budget signé. ', 4), date_depot + rank * interval '3 days',
    rank = 3
FROM dsintegration_dossier AS dossier, generate_series(1, 3) AS rank
WHERE number BETWEEN %(first)s AND %(last)s
"""


def fill(first: int, last: int) -> None:
    """Add the dossiers numbered from `first` to `last`."""
    from dsintegration.models import Demarche, Platform

    if not Demarche.objects.exists():
        Demarche.objects.bulk_create(
            Demarche(
                number=number,
                ds_id=f"Procedure-{number}",
                title=f"Demande d'aide n° {number}",
                fetched_at="2026-01-01T00:00:00Z",
            )
            for number in range(1, DEMARCHES + 1)
        )
    search = import_module("dsintegration.migrations.0046_search")
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS dossier_search")  # made at once it takes a minute less
        for statement in (DOSSIERS, MESSAGES):
            cursor.execute(statement, {"first": first, "last": last, "demarches": DEMARCHES})
        cursor.execute(search.INDEX)
        cursor.execute("VACUUM ANALYZE dsintegration_dossier, dsintegration_message")
    Platform.objects.update_or_create(pk=1, defaults={"version": last})
