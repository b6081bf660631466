from django.apps import AppConfig
from django.core import checks


class DsintegrationConfig(AppConfig):
    name = "dsintegration"
    verbose_name = "Dossiers de Démarche numérique"

    def ready(self) -> None:
        from dsintegration.checks import check_settings
        from dsintegration.usager.checks import check_usager_page

        checks.register(check_settings)
        checks.register(check_usager_page, deploy=True)
