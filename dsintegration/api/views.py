"""The addresses of the API. GET only reads the database; a fetch alone asks the platform."""

import json
from collections.abc import Sequence
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags
from django.views.decorators.gzip import gzip_page
from drf_spectacular.openapi import AutoSchema
from rest_framework import mixins, status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from dsintegration import conf, journal
from dsintegration.api import openapi
from dsintegration.api.authentication import KeyAuthentication
from dsintegration.api.errors import DossierIsNotHere, FileIsNotHere, exception_handler
from dsintegration.api.filters import DossierFilters, StrictFilterBackend
from dsintegration.api.pagination import KeysetPagination
from dsintegration.api.parameters import check_parameters
from dsintegration.api.permissions import (
    HasKey,
    MayFetch,
    may_open,
    visible_dossiers,
    visible_purged,
)
from dsintegration.api.serializers import (
    DossierItemSerializer,
    DossierSerializer,
    PurgedDossierSerializer,
)
from dsintegration.api.throttling import FetchThrottle, ReadThrottle
from dsintegration.models import Action, ApiKey, Dossier, File, Outcome, PurgedDossier
from dsintegration.models.mirror import CONTENT
from dsintegration.numbers import MAX_NUMBER
from dsintegration.representation import COLUMNS, PURGED_COLUMNS


class Renderer(JSONRenderer):
    """JSON as it is documented, whatever the project says of its own."""

    compact, ensure_ascii, strict = True, False, True


class Negotiation(DefaultContentNegotiation):
    """By the header Accept alone: `?format=` is an unknown parameter here."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)


# Here and not for the whole site: a page that mixes a secret of its own with what a visitor sent
# must not be compressed (BREACH). Nothing here repeats a secret.
@method_decorator(gzip_page, name="dispatch")
class ApiView(GenericAPIView[Any]):
    """What all addresses have in common, whatever the project's REST_FRAMEWORK says of its own."""

    versioning_class = None
    content_negotiation_class = Negotiation
    authentication_classes: Sequence[Any] = (KeyAuthentication,)
    permission_classes: Sequence[Any] = (HasKey,)
    throttle_classes: Sequence[Any] = (ReadThrottle,)
    renderer_classes = (Renderer,)
    parser_classes: Sequence[Any] = (JSONParser,)
    filter_backends: Sequence[Any] = ()
    pagination_class: Any = None
    schema = AutoSchema()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        # A fetch asks the platform between two transactions; a refusal keeps its journal entry.
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    @property
    def key(self) -> ApiKey:
        return cast("ApiKey", self.request.auth)

    def get_exception_handler(self) -> Any:
        return exception_handler

    def get_serializer_context(self) -> dict[str, Any]:
        return {
            "personal": self.key.can_read_personal_data,
            "content": self.key.can_read_content,
            "site_url": conf.site_url(),
        }

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """The methods, in `Allow`."""
        return Response(status=status.HTTP_204_NO_CONTENT)

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(*args, **kwargs)
        # Each key has its own answers: whoever keeps one asks again before showing it.
        response["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ["Authorization"])
        return response


class ListView(mixins.ListModelMixin, ApiView):
    filter_backends = (StrictFilterBackend,)
    pagination_class = KeysetPagination
    columns: tuple[str, ...]
    # Whether its rows are dossiers, which answer to a form.
    has_answers = False


class DossierList(ListView):
    queryset = Dossier.objects.all()
    serializer_class = DossierItemSerializer
    filterset_class = DossierFilters
    columns = COLUMNS
    has_answers = True

    def get_queryset(self) -> QuerySet[Dossier]:
        return visible_dossiers(super().get_queryset(), self.key)

    @openapi.DOSSIERS
    def get(self, request: Request) -> Response:
        response = self.list(request)
        rows = response.data["results"]
        numbers = [row["number"] for row in rows]
        demarches = [row["demarche"]["number"] for row in rows]
        journal.write_list(journal.key(self.key), numbers, demarches)
        return response


class PurgedList(ListView):
    queryset = PurgedDossier.objects.all()
    serializer_class = PurgedDossierSerializer
    columns = PURGED_COLUMNS

    def get_queryset(self) -> QuerySet[PurgedDossier]:
        return visible_purged(super().get_queryset(), self.key)

    @openapi.PURGED
    def get(self, request: Request) -> Response:
        return self.list(request)


# Of a dossier that changes each time; then a message may be newer than the version beside it.
READINGS = 5


class DossierView(ApiView):
    """One dossier by its number."""

    queryset = Dossier.objects.select_related("demarche")
    serializer_class = DossierSerializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_parameters(request.query_params, known=())

    def find(self, number: int) -> Dossier:
        """The dossier as it is stored, without its messages."""
        rows = visible_dossiers(self.queryset, self.key)
        if not self.key.can_read_content:
            rows = rows.defer(*CONTENT)
        try:
            return rows.get(number=number)
        except Dossier.DoesNotExist:
            raise DossierIsNotHere from None

    def etag(self, dossier: Dossier) -> str:
        """Weak: fetched_at and checked_at may move without a new version.

        What is hidden of the form tells itself to keys that see the rest of it, and to no other.
        """
        if self.key.can_read_content and (choice := dossier.demarche.selection):
            return f'W/"{dossier.version}c{_digest(choice)}"'
        rights = "p" if self.key.can_read_personal_data else "s"
        return f'W/"{dossier.version}{rights}"'

    def answer(self, dossier: Dossier, status: int = status.HTTP_200_OK) -> Response:
        """All of it as of one version: read again if it changed while its messages were read."""
        data = self.get_serializer(dossier).data
        if self.key.can_read_personal_data:
            for _ in range(READINGS):
                now = Dossier.objects.filter(pk=dossier.pk).values_list("version", flat=True)
                if now.first() == dossier.version:
                    break
                dossier = self.find(dossier.number)
                data = self.get_serializer(dossier).data
        return Response(data, status=status, headers={"ETag": self.etag(dossier)})


def _digest(choice: Any) -> str:
    return sha256(json.dumps(choice, sort_keys=True).encode()).hexdigest()[:12]


class DossierDetail(DossierView):
    @openapi.DOSSIER
    def get(self, request: Request, number: int) -> Response:
        try:
            dossier = self.find(number)
        except DossierIsNotHere:
            self.note(Outcome.NOT_FOUND, number)
            raise
        etag = self.etag(dossier)
        known = parse_etags(request.headers.get("If-None-Match", ""))
        if "*" in known or etag in {f"W/{tag.removeprefix('W/')}" for tag in known}:
            self.note(Outcome.UNCHANGED, number)
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        self.note(Outcome.SHOWN, number)
        return self.answer(dossier)

    def note(self, outcome: Outcome, number: int) -> None:
        # The address may hold more digits than any number has.
        named = number if number <= MAX_NUMBER else None
        journal.write(journal.key(self.key).entry(Action.VIEW, outcome, named))


class DossierFetch(DossierView):
    permission_classes = (MayFetch,)
    throttle_classes = (FetchThrottle,)
    # Many a client sends an empty form where there is nothing to send.
    parser_classes = (JSONParser, FormParser, MultiPartParser)

    @openapi.FETCH
    def post(self, request: Request, number: int) -> Response:
        if request.data:
            raise ValidationError("Cette demande n'a pas de corps.")
        if not 1 <= number <= MAX_NUMBER:
            raise ValidationError({"number": f"il va de 1 à {MAX_NUMBER}."})
        # No project waits at its start for what this imports (gql, pydantic).
        from dsintegration.api.fetching import fetch_for

        created = fetch_for(self.key, number)
        return self.answer(
            self.find(number), status.HTTP_201_CREATED if created else status.HTTP_200_OK
        )


class AnyFormat(Negotiation):
    """A file is what it is, whatever the header Accept says; failures are JSON."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class DossierFile(DossierView):
    """The bytes of one file: the only GET that asks the platform, and so counts as a fetch."""

    throttle_classes = (FetchThrottle,)
    content_negotiation_class = AnyFormat
    http_method_names = ("get", "options")  # as in Django
    # What is compressed already is most of it, and takes a processor for as long as it lasts.
    dispatch = GenericAPIView.dispatch

    @openapi.FILE
    def get(self, request: Request, number: int, file: int) -> Any:
        row = self.find_file(self.find(number), file)
        etag = f'"{row.md5}"'
        if row.md5 and etag in parse_etags(request.headers.get("If-None-Match", "")):
            by = journal.key(self.key)
            journal.write(by.entry(Action.FILE, Outcome.UNCHANGED, number, detail=f"file={file}"))
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        from dsintegration.files import open_file
        from dsintegration.files.serving import file_response

        response = file_response(row, open_file(row, by=journal.key(self.key)))
        response["ETag"] = etag
        return response

    def find_file(self, dossier: Dossier, file: int) -> File:
        rows = File.objects.select_related("dossier", "message")
        row = rows.filter(dossier=dossier, pk=min(file, 2**63 - 1)).first()
        if row is None or conf.files() == "off" or not may_open(self.key, row, dossier):
            raise FileIsNotHere
        return row
