from django.apps import AppConfig
from django.core import checks


class DsintegrationConfig(AppConfig):
    name = "dsintegration"
    verbose_name = "Dossiers de Démarche numérique"
    # Ours, so that no project's DEFAULT_AUTO_FIELD asks for a migration in this package.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from dsintegration import conf
        from dsintegration.checks import check_files, check_project, check_settings
        from dsintegration.checks.database import check_log_of_values
        from dsintegration.oidc.checks import check_openid
        from dsintegration.usager.checks import check_layout, check_usager_page

        conf.refuse_mixed_sandbox()
        checks.register(check_settings)
        checks.register(check_project)
        checks.register(check_files)
        checks.register(check_layout)
        checks.register(check_openid)
        checks.register(check_usager_page, deploy=True)
        checks.register(check_log_of_values, deploy=True)
