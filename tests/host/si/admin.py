"""The project's own admin site."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class SIAdminSite(admin.AdminSite):
    site_header = "Gestion interne"


class SIAdminConfig(AdminConfig):
    default_site = "si.admin.SIAdminSite"
