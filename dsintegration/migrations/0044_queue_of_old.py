"""What the messages that are here tell of the queue, in two statements for any number of rows."""

from django.db import migrations

from dsintegration import conf

PEOPLE = """
    FROM dsintegration_message AS message
    WHERE message.dossier_id = dsintegration_dossier.id
    AND message.discarded_at IS NULL AND message.absent_since IS NULL
    AND lower(trim(message.email)) NOT IN ({systems})
"""
LAST = """
UPDATE dsintegration_dossier SET last_human_at = (SELECT max(message.created_at) {people})
WHERE messages_count > 0
"""
AUTHOR = """
UPDATE dsintegration_dossier SET
    last_human_author = CASE WHEN usager_spoke_last THEN 'usager' ELSE 'autre' END,
    waiting_since = CASE WHEN usager_spoke_last THEN coalesce((
        SELECT min(message.created_at) {people} AND message.created_at > coalesce((
            SELECT max(message.created_at) {people}
            AND lower(trim(message.email)) <> lower(trim(dsintegration_dossier.usager_email))
        ), %s)
    ), last_human_at) END
WHERE last_human_at IS NOT NULL
"""


def fill(apps, schema_editor):
    emails = sorted(conf.system_emails())
    people = PEOPLE.format(systems=", ".join(["%s"] * len(emails)))
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(LAST.format(people=people), emails)
        values = [*emails, *emails, "1970-01-01 00:00:00+00:00"]
        cursor.execute(AUTHOR.format(people=people), values)


class Migration(migrations.Migration):
    dependencies = [
        ("dsintegration", "0043_queue"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
