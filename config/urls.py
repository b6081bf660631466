"""The addresses of the SI's shell."""

from django.contrib import admin
from django.urls import include, path

admin.site.site_header = admin.site.site_title = "Dossiers de Démarche numérique"
admin.site.index_title = "Accueil"
admin.site.enable_nav_sidebar = False  # three links are no reason to take the list its room

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("dsintegration.urls")),
]
