"""`manage.py setup_groups`: the groups that go with our rights."""

from typing import Any

from django.contrib.auth.models import Group, Permission

from dsintegration.management.base import DossierCommand

READ = ["view_dossier", "view_message", "view_demarche"]
GROUPS = {
    "Agents (lecture)": READ,
    "Agents (récupération)": [*READ, "fetch_dossier"],
    "Agents (export)": [*READ, "export_dossier"],
    "Agents (réponses)": [*READ, "settle_dossier"],
    "Responsables": [
        *READ,
        "change_demarche",
        "view_journalentry",
        "view_perimeter",
        "add_perimeter",
        "change_perimeter",
        "delete_perimeter",
    ],
    # Whose members see every démarche; the others, those of their services (Perimeter).
    "Toutes les démarches": ["view_all_demarches"],
    "Clés de l'API": ["view_apikey", "add_apikey", "change_apikey"],
}


class Command(DossierCommand):
    help = (
        "Crée les groupes d'agents avec leurs droits, ou rend à chacun ceux qui lui manquent. "
        "Ce qui leur a été ajouté à la main reste."
    )

    def handle(self, **_: Any) -> None:
        for name, codenames in GROUPS.items():
            group, created = Group.objects.get_or_create(name=name)
            rights = Permission.objects.filter(
                content_type__app_label="dsintegration", codename__in=codenames
            )
            missing = rights.exclude(group=group)
            outcome = "créé" if created else "complété" if missing else "inchangé"
            group.permissions.add(*missing)
            self.stdout.write(f"{name} : {outcome}")
