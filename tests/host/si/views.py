"""The project's own pages for its own usagers, in a namespace that ours must not take."""

from django.http import HttpResponse
from django.urls import path

received = []


def request(request, *args, **kwargs):
    received.append(dict(request.POST))
    return HttpResponse("la page du SI")


app_name = "usager"
urlpatterns = [
    path("", request, name="request"),
    path("envoye/", request, name="sent"),
    path("lien/<str:token>/", request, name="link"),
    path("<int:number>/", request, name="dossier"),
]
