"""The addresses of the SI's shell."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from config.logins import LoginForm

admin.site.site_header = admin.site.site_title = "Dossiers de Démarche numérique"
admin.site.index_title = "Accueil"
admin.site.site_url = "/suivi/"
admin.site.enable_nav_sidebar = False  # three links are no reason to take the list its room

admin.site.login_form = LoginForm

urlpatterns: list[URLPattern | URLResolver] = []
if settings.DS_OIDC_ISSUER:
    from dsintegration.oidc.views import logout

    urlpatterns = [
        path(
            "admin/logout/", logout
        ),  # in place of the admin's: it ends the provider's session too
        path("oidc/", include("dsintegration.oidc.urls")),
    ]
urlpatterns += [
    path("admin/comptes/", include("config.accounts")),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="dsintegration_usager:request")),
    path("", include("dsintegration.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"
