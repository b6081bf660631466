"""The sandbox's HTTP: statuses, headers and bodies as the platform sends them.

Order of the checks: the token (403, unless the query only asks for the schema), the scenario's own
trouble, then the query.
"""

import json
import sys
import threading
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import cache, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.utils import timezone
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    default_field_resolver,
    execute_sync,
    parse,
    validate,
    value_from_ast_untyped,
)

from dsintegration.sandbox.forms import revision, whole
from dsintegration.sandbox.scenarios import DOSSIERS, FORBIDDEN, REPLIES
from dsintegration.sandbox.storage import PREFIX, Storage

PATH = "/api/v2/graphql"

# Of the right shape, and good for nothing but the sandbox.
TOKEN = urlsafe_b64encode(b"00000000-0000-4000-8000-000000000000;BacASabledsintegration12").decode()


LISTS = ("dossiers", "pendingDeletedDossiers", "deletedDossiers")


@dataclass(frozen=True)
class Reply:
    """A prepared answer; a body that is no text is sent as JSON.

    `headers` come beside Content-Type; `reset_in`, in seconds, becomes a RateLimit-Reset.
    """

    status: int = 200
    body: Any = ""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    reset_in: float | None = None

    @property
    def is_about_a_dossier(self) -> bool:
        """Whether the platform would say so of one dossier among several."""
        if self.status != 200 or not isinstance(self.body, dict):
            return False
        if errors := self.body.get("errors"):
            return all(error.get("path") for error in errors)
        return isinstance((self.body.get("data") or {}).get("dossier"), dict)

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        # Bytes of files are the storage's.
        return json.dumps(self.body, default=lambda _: None).encode()


@dataclass(frozen=True)
class Received:
    """A request as it came: what tests look at."""

    path: str
    headers: Mapping[str, str]
    body: Any


@cache
def schema() -> GraphQLSchema:
    return build_schema(Path(__file__).with_name("schema.graphql").read_text(encoding="utf-8"))


class Sandbox:
    """A running stand-in. Tests change `dossiers` and `replies`, both by number, as they need.

    A reply is an answer, or a list of answers given one after the other, the last one again and
    again. Answers of `replies` come before those of `dossiers`.
    """

    def __init__(self) -> None:
        self.dossiers: dict[int, dict[str, Any]] = dict(DOSSIERS)
        self.replies: dict[int, Reply | list[Reply]] = {
            number: Reply(**reply) for number, reply in REPLIES.items()
        }
        # Numbers in the bin, and gone for good, with their moment, and of which démarche (where it
        # is not said, each lists them). Démarches that it may not list.
        self.pending: dict[int, str] = {}
        self.deleted: dict[int, str] = {}
        self.homes: dict[int, int] = {}
        self.unlistable: set[int] = set()
        # That it has, beside those of its dossiers; one that had dossiers stays.
        self.demarches: set[int] = set()
        # Numbers that the token has no right to read.
        self.forbidden: set[int] = set(FORBIDDEN)
        # Dossiers with a champ that the platform cannot read; `slow`: with more than it can gather.
        self.unreadable: set[int] = set()
        self.slow: set[int] = set()
        # Forms of démarches, in the place of ours.
        self.revisions: dict[int, dict[str, Any]] = {}
        # Dossiers that lists show as null; what comes instead of a list (LISTS) of a démarche.
        self.hidden: set[int] = set()
        # Other tokens, each with the démarches that it may not read.
        self.rights: dict[str, set[int]] = {}
        self._local = threading.local()
        self.list_replies: dict[tuple[int, str], Reply] = {}
        # What comes instead of our schema, whoever asks for it.
        self.introspection: Reply | None = None
        self.received: list[Received] = []
        self.storage = Storage()
        # The platform's clock, which its `Date` headers tell; ours, unless a test sets it apart.
        self.now: Callable[[], datetime] = lambda: timezone.now()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.origin}{PATH}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Received) -> Reply:
        """What the platform would answer."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if request.path != PATH:
            return _error_page(404, "Not Found")
        if _asks_for_the_schema_only(request.body):
            query = request.body["query"]
            return self.introspection or Reply(body=self._execute(query, {}, {}))
        if scheme != "Bearer" or token not in {TOKEN, *self.rights}:
            return _refusal(403, "Without a token, only public queries are allowed", "forbidden")
        if not isinstance(request.body, dict):
            return _refusal(400, "unexpected token", "bad_request")
        variables = request.body.get("variables") or {}
        self._local.hidden = self.rights.get(token)
        if isinstance(demarche := variables.get("demarche"), int):
            asked = (name for name in LISTS if f" {name}(" in request.body.get("query", ""))
            reply = self.list_replies.get((demarche, next(asked, "")))
            return reply or Reply(body=self._execute(request.body.get("query"), variables, {}))
        numbers = [number for number in variables.values() if isinstance(number, int)]
        prepared = {number: reply for number in numbers if (reply := self._next_reply(number))}
        for reply in prepared.values():
            # One dossier alone gets its reply as it is; among others, if it is one of the request.
            if len(numbers) == 1 or not reply.is_about_a_dossier:
                return reply
        return Reply(body=self._execute(request.body.get("query"), variables, prepared))

    def _next_reply(self, number: int) -> Reply | None:
        prepared = self.replies.get(number)
        if isinstance(prepared, list):
            return prepared.pop(0) if len(prepared) > 1 else prepared[0]
        return prepared

    def _execute(
        self, query: object, variables: dict[str, Any], prepared: dict[int, Reply]
    ) -> dict[str, Any]:
        if not isinstance(query, str) or not query:
            return {"errors": [{"message": "No query string was present"}]}
        try:
            document, faults = _read(query)
        except GraphQLError as err:
            return {"errors": [err.formatted]}
        if faults:
            extensions = {"code": "undefinedField"}
            return {"errors": [{**fault.formatted, "extensions": extensions} for fault in faults]}
        if failures := self._failures(document, variables, prepared):
            return {"errors": failures, "data": None}

        def resolve(_info: object, number: int) -> dict[str, Any]:
            if number in prepared:
                given: dict[str, Any] = prepared[number].body["data"]["dossier"]
                return self._whole(given)
            return self._whole(self.dossiers[number])

        root = {"dossier": resolve, "demarche": self._demarche}
        result = execute_sync(
            schema(), document, root, variable_values=variables, field_resolver=self._field
        )
        if result.errors and result.data is None and not result.errors[0].path:
            return {"errors": [error.formatted for error in result.errors]}
        return {**result.formatted}

    def _whole(self, dossier: dict[str, Any]) -> dict[str, Any]:
        for code, numbers in (("invalid_null", self.unreadable), ("timeout", self.slow)):
            if dossier["number"] in numbers:
                return whole(dossier) | {"champs": _failing(code)}
        return whole(dossier)

    def _field(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        """What a document asks of a dossier: `messages(id:)` is one of them."""
        if (info.parent_type.name, info.field_name) == ("File", "url"):
            return self.storage.sign(source, self.origin)
        found = default_field_resolver(source, info, **arguments)
        if info.field_name == "messages" and (wanted := arguments.get("id")):
            return [message for message in found if message["id"] == wanted]
        return found

    def _demarche(self, _info: object, number: int) -> dict[str, Any]:
        """The lists of a démarche."""
        if number in self.unlistable or number in self._forbidden:
            raise GraphQLError(
                "An object of type Demarche was hidden due to permissions",
                extensions={"code": "unauthorized"},
            )
        self.demarches |= {d["demarche"]["number"] for d in self.dossiers.values()}
        if number not in {*self.demarches, *self.homes.values(), *self.revisions}:
            raise GraphQLError("Demarche not found", extensions={"code": "not_found"})
        dossiers = [d for d in self.dossiers.values() if d["demarche"]["number"] == number]
        named = dossiers[0]["demarche"] if dossiers else {}

        def gone(rows: dict[int, str]) -> Callable[..., dict[str, Any]]:
            ours = ((n, at) for n, at in rows.items() if self.homes.get(n, number) == number)
            nodes = [{"number": n, "dateSupression": at} for n, at in ours]
            return lambda _info, **asked: _page(nodes, "dateSupression", set(), **asked)

        def here(_info: object, **asked: Any) -> dict[str, Any]:
            page = _page(dossiers, "dateDerniereModification", self.hidden, **asked)
            return page | {"nodes": [node and self._whole(node) for node in page["nodes"]]}

        return {
            "id": named.get("id", f"Procedure-{number}"),
            "number": number,
            "title": named.get("title", f"Démarche n° {number}"),
            "activeRevision": self.revisions.get(number) or revision(number),
            "dossiers": here,
            "pendingDeletedDossiers": gone(self.pending),
            "deletedDossiers": gone(self.deleted),
        }

    def _failures(
        self, document: DocumentNode, variables: dict[str, Any], prepared: dict[int, Reply]
    ) -> list[dict[str, Any]]:
        """Every dossier that fails, named by the alias that asks for it.

        graphql-ruby goes on after a failure that nulls the answer, where graphql-core stops.
        """
        failures: list[dict[str, Any]] = []
        for alias, number in _asked(document, variables):
            if number in prepared:
                failures += [
                    error | {"path": [alias, *error["path"][1:]]}
                    for error in prepared[number].body.get("errors", [])
                ]
            elif number in self.forbidden or self._is_forbidden(number):
                message = "An object of type Dossier was hidden due to permissions"
                failures.append(_error(message, "unauthorized", alias))
            elif number not in self.dossiers:
                failures.append(_error("Dossier not found", "not_found", alias))
        return failures

    @property
    def _forbidden(self) -> set[int]:
        return getattr(self._local, "hidden", None) or set()

    def _is_forbidden(self, number: int) -> bool:
        dossier = self.dossiers.get(number)
        return dossier is not None and dossier["demarche"]["number"] in self._forbidden

    def _handler(sandbox) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    body = json.loads(raw)
                except ValueError:
                    body = None
                request = Received(self.path, dict(self.headers), body)
                sandbox.received.append(request)
                self._send(sandbox.answer(request))

            def do_GET(self) -> None:
                if self.path.startswith(PREFIX):
                    return sandbox.storage.send(self)
                return self._send(_error_page(404, "Not Found"))

            def _send(self, reply: Reply) -> None:
                content = reply.encoded()
                headers = {
                    "Content-Type": reply.content_type,
                    "Content-Length": str(len(content)),
                    "Date": format_datetime(sandbox.now(), usegmt=True),
                }
                if reply.reset_in is not None:
                    headers["RateLimit-Reset"] = str(round(time.time() + reply.reset_in))
                self.send_response_only(reply.status)
                for name, value in (headers | dict(reply.headers)).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Nothing: the command's own output is what counts."""

        return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up before the answer is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _failing(code: str) -> Callable[..., Any]:
    def resolve(_info: object, **_: Any) -> Any:
        raise GraphQLError("Cannot return null", extensions={"code": code})

    return resolve


@lru_cache(maxsize=200)
def _read(query: str) -> tuple[DocumentNode, list[GraphQLError]]:
    """A document and what is wrong with it. Clients send few, over and over."""
    document = parse(query)
    return document, validate(schema(), document)


def _asks_for_the_schema_only(body: Any) -> bool:
    """Whether no token is needed: every root field of every query is `__schema` or its like."""
    query = body.get("query") if isinstance(body, dict) else None
    if not isinstance(query, str) or "__" not in query:
        return False
    try:
        document = parse(query)
    except GraphQLError:
        return False
    return all(
        isinstance(node, FieldNode) and node.name.value.startswith("__")
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        for node in operation.selection_set.selections
    )


def _asked(document: DocumentNode, variables: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The aliases of a query, with the number that each asks for."""
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        for node in operation.selection_set.selections:
            if isinstance(node, FieldNode) and node.name.value == "dossier" and node.arguments:
                number = value_from_ast_untyped(node.arguments[0].value, variables)
                yield (node.alias or node.name).value, number


def _page(
    nodes: list[dict[str, Any]],
    date: str,
    hidden: set[int],
    *,
    first: int = 100,
    after: str | None = None,
    **since: str,
) -> dict[str, Any]:
    """A page of a connection, oldest change first; the cursor is the place of its last row."""
    floor = next(iter(since.values()), None)

    def place(node: dict[str, Any]) -> tuple[float, int]:
        return datetime.fromisoformat(node[date]).timestamp(), node["number"]

    rows = sorted(
        (
            node
            for node in nodes
            if floor is None or place(node)[0] >= datetime.fromisoformat(floor).timestamp()
        ),
        key=place,
    )
    if after:
        moment, _, number = b64decode(after).decode().partition(";")
        rows = [node for node in rows if place(node) > (float(moment), int(number))]
    shown = rows[: min(first, 100)]
    cursor = "{};{}".format(*place(shown[-1])) if shown else ""
    return {
        "nodes": [None if node["number"] in hidden else node for node in shown],
        "pageInfo": {
            "hasNextPage": len(shown) < len(rows),
            "endCursor": b64encode(cursor.encode()).decode() if shown else None,
        },
    }


def _error(message: str, code: str, alias: str) -> dict[str, Any]:
    return {"message": message, "path": [alias], "extensions": {"code": code}}


def _refusal(status: int, message: str, code: str) -> Reply:
    error = {"message": message, "extensions": {"code": code}}
    return Reply(status, {"errors": [error], "data": None})


def _error_page(status: int, title: str) -> Reply:
    page = f"<!doctype html><html><title>{title}</title><h1>{title}</h1></html>"
    return Reply(status, page, "text/html; charset=utf-8")


@cache
def running_sandbox() -> Sandbox:
    """The sandbox of this process, started when it is first asked for."""
    return Sandbox()
