"""All of the app's addresses, for a project to include; each part may be included alone."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("dsintegration.api.urls")),
    path("suivi/", include("dsintegration.usager.urls")),
    path("health/", include("dsintegration.health.urls")),
    path("", include("dsintegration.health.metrics_urls")),
]
