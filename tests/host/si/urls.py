from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import include, path

from dsintegration.admin import register
from si.api import SalariesView

other = admin.AdminSite(name="autre")
register(other)


def home(request):
    return render(request, "base.html")


urlpatterns = [
    path("", home),
    path("admin/", admin.site.urls),
    path("autre/", other.urls),
    path("compte/", include("si.views")),
    path("interne/salaires/", SalariesView.as_view(), name="salaries"),
    path("ping/", lambda request: HttpResponse("pong")),
    path("dossiers/", include("dsintegration.urls")),
]
