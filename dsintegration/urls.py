"""All of the app's addresses, for a project to include at its root."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("suivi/", include("dsintegration.usager.urls")),
]
