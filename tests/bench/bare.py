"""What the API's views are measured against: bare Django views under the same middleware."""

from django.http import HttpRequest, JsonResponse
from django.urls import path

from config.urls import urlpatterns as ours
from dsintegration.models import Dossier, Message
from dsintegration.representation import COLUMNS

COLUMNS_OF_MESSAGES = ("ds_id", "email", "body", "created_at", "discarded_at", "absent_since")


def page(_: HttpRequest) -> JsonResponse:
    rows = Dossier.objects.order_by("-version", "-number").values(*COLUMNS)[:100]
    return JsonResponse({"next": None, "results": list(rows)})


def detail(_: HttpRequest, number: int) -> JsonResponse:
    row = Dossier.objects.values("id", *COLUMNS).get(number=number)
    messages = Message.objects.filter(dossier=row["id"]).values(*COLUMNS_OF_MESSAGES)
    return JsonResponse({**row, "messages": list(messages)})


urlpatterns = [*ours, path("bare/page/", page), path("bare/<int:number>/", detail)]
