"""The shell's addresses as they are where OIDC_ISSUER is set."""

from django.urls import include, path

from config.urls import handler400, handler403, handler404, handler500, urlpatterns  # noqa: F401
from dsintegration.oidc.views import logout

urlpatterns = [
    path("admin/logout/", logout),
    path("oidc/", include("dsintegration.oidc.urls")),
    *urlpatterns,
]
