from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import include, path

from dsintegration.admin import register
from dsintegration.oidc.views import logout
from si.api import SalariesView

other = admin.AdminSite(name="autre")
register(other)


def home(request):
    return render(request, "base.html")


urlpatterns = [
    path("", home),
    path("admin/logout/", logout),
    path("admin/", admin.site.urls),
    path("oidc/", include("dsintegration.oidc.urls")),
    path("autre/", other.urls),
    path("compte/", include("si.views")),
    path("interne/salaires/", SalariesView.as_view(), name="salaries"),
    path("ping/", lambda request: HttpResponse("pong")),
    path("dossiers/", include("dsintegration.urls")),
]
