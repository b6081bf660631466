"""Many dossiers in PostgreSQL, made there: three messages each, and ten searchable answers.

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
    content_key, content_error_reason, champs
)
SELECT
    n, 'RG9zc2llci0' || n, home,
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
    '', '', jsonb_build_array(
        jsonb_build_object('id', home || '-1', 'label', 'Champ 1', 'type', 'TextChamp',
            'value', 'Commune d''Exemple' || n, 'text', 'Commune d''Exemple' || n),
        jsonb_build_object('id', home || '-2', 'label', 'Champ 2', 'type', 'DecimalNumberChamp',
            'value', n %% 90000, 'text', ''),
        jsonb_build_object('id', home || '-5', 'label', 'Champ 5', 'type', 'TextChamp',
            'value', repeat('une réponse ', 20), 'text', repeat('une réponse ', 20))
    )
FROM (
    SELECT n, home, now() - (n::bigint * 7919 %% 94600000) * interval '1 second' AS filed
    FROM generate_series(%(first)s, %(last)s) AS n,
        LATERAL (
            SELECT min(id) + CASE WHEN n %% 3 = 0 THEN 0 ELSE n %% %(demarches)s END AS home
            FROM dsintegration_demarche
        ) AS its
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

# Ten champs a démarche, all searchable and the first two columns; a name has two words, an amount
# and a day are numbers and dates, and the rest are choices of a few.
CHAMPS = """
INSERT INTO dsintegration_champdescriptor (
    demarche_id, ds_id, label, type, is_annotation, repetition, required, rank, first_read_at,
    is_kept, in_list, is_searchable, hidden_from_api
)
SELECT
    demarche.id, demarche.id || '-' || rank, 'Champ ' || rank,
    (ARRAY['Text', 'DecimalNumber', 'Date', 'Siret'])[CASE WHEN rank > 4 THEN 1 ELSE rank END],
    false, '', false, rank, now(), true, rank < 3, true, false
FROM dsintegration_demarche AS demarche, generate_series(1, 10) AS rank
"""
ANSWERS = """
INSERT INTO dsintegration_champvalue (dossier_id, champ, text, number, date, is_whole)
SELECT
    dossier.id, demarche_id || '-' || greatest(rank, 1),
    CASE rank
        WHEN 0 THEN 'exemple' || number || ' fin'
        WHEN 1 THEN 'commune d exemple' || number || ' fin'
        WHEN 2 THEN (number % 90000)::text
        WHEN 3 THEN (date '2024-01-01' + number % 1000)::text
        WHEN 4 THEN (10000000000000 + number::bigint * 7919)::text
        ELSE 'choix ' || number % (10 * rank)
    END,
    CASE rank WHEN 2 THEN number % 90000 END,
    CASE rank WHEN 3 THEN date '2024-01-01' + number % 1000 END,
    rank > 0
FROM dsintegration_dossier AS dossier, generate_series(0, 10) AS rank
"""


def answer_all() -> None:
    """Give all dossiers that are here their answers."""
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() " + (
        "AND tablename = 'dsintegration_champvalue' AND indexname NOT LIKE '%_pkey'"
    )
    with connection.cursor() as cursor:
        cursor.execute(indexes)
        kept = cursor.fetchall()
        for name, _ in kept:  # made at once they take some minutes less
            cursor.execute(f'DROP INDEX "{name}"')
        for statement in (CHAMPS, ANSWERS):
            cursor.execute(statement)
        for _, definition in kept:
            cursor.execute(definition)
        tables = "dsintegration_champvalue, dsintegration_champdescriptor, dsintegration_dossier"
        cursor.execute(f"VACUUM ANALYZE {tables}")


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
