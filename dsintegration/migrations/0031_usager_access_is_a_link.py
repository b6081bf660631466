"""What went to the sessions leaves the link; apart, since PostgreSQL alters no table that has just
been written to in the same transaction.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("dsintegration", "0030_usager_sessions")]

    operations = [
        migrations.RemoveField("usageraccess", "used_at"),
        migrations.RemoveField("usageraccess", "session_digest"),
        migrations.RemoveField("usageraccess", "last_seen_at"),
    ]
