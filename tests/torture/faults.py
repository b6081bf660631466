"""The table of faults: what the platform, or the network before it, does wrong, and what follows.

`reason` is what the app must call it (dsintegration/exceptions.py); None where the answer is
strange and all the same good, and must be stored.
"""

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from typing import Any

from dsintegration.exceptions import Reason
from tests.torture.proxy import Act, Exchange, forward

Dossier = dict[str, Any]
Change = Callable[[Dossier], Dossier]

# Somebody whom an answer names where nobody should be named.
SOMEBODY = "anne.onyme@example.org"
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Fault:
    name: str
    act: Act = forward
    reason: Reason | None = None
    change: Change = dict
    certificate: str = "good"
    refuses: bool = False
    # Lasts until the deadline of the whole call, which a command has only after two minutes.
    is_endless: bool = False

    def __str__(self) -> str:
        return self.name


# Of the network


def reset(exchange: Exchange) -> None:
    exchange.reset()


def reset_in_the_body(exchange: Exchange) -> None:
    body = exchange.ask()
    exchange.send(body[: len(body) // 2], length=len(body))
    exchange.reset()


def cut_in_the_body(exchange: Exchange) -> None:
    body = exchange.ask()
    exchange.send(body[: len(body) // 2], length=len(body))
    exchange.connection.close()


def cut_in_the_headers(exchange: Exchange) -> None:
    exchange.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")
    exchange.connection.close()


def silence(exchange: Exchange) -> None:
    exchange.wait_for_the_end()


def silence_in_the_body(exchange: Exchange) -> None:
    body = exchange.ask()
    exchange.send(body[: len(body) // 2], length=len(body))
    exchange.wait_for_the_end()


def drip(exchange: Exchange) -> None:
    body = exchange.ask()
    exchange.send(b"", length=len(body))
    for byte in body:
        exchange.connection.sendall(bytes([byte]))
        time.sleep(exchange.proxy.pace)


def pour(exchange: Exchange) -> None:
    """A gigabyte, for as long as somebody reads it."""
    exchange.send(b"", length=1024 * MEGABYTE)
    for _ in range(1024):
        exchange.connection.sendall(b" " * MEGABYTE)


def noise(exchange: Exchange) -> None:
    exchange.connection.sendall(b"\x16\x03\x01 220 smtp.example.org ESMTP\r\n\r\n")
    exchange.connection.close()


def body_in_the_headers(exchange: Exchange) -> None:
    exchange.connection.sendall(b"HTTP/1.1 200 OK\r\nX: y\r\n" + SOMEBODY.encode() + b"\r\n\r\n")
    exchange.connection.close()


def broken_chunks(exchange: Exchange) -> None:
    exchange.connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"
    )
    exchange.connection.close()


# Of the answer


def says(body: Any, status: str = "200 OK", kind: str = "application/json", **headers: str) -> Act:
    """Always the same answer; what is neither text nor bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else None
    if content is None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def act(exchange: Exchange) -> None:
        exchange.send(content, status=status, headers={"Content-Type": kind} | named)

    return act


def page(title: str) -> str:
    return f"<!doctype html><html><title>{title}</title><p>{SOMEBODY}</p></html>"


def moved(status: str) -> Act:
    def act(exchange: Exchange) -> None:
        exchange.send(b"", status=status, headers={"Location": exchange.proxy.elsewhere.url})

    return act


def error(code: str | None, **fields: Any) -> dict[str, Any]:
    extensions = {} if code is None else {"extensions": {"code": code}}
    return {"message": f"Dossier de {SOMEBODY}", **fields, **extensions}


def with_errors(*errors: Any) -> Act:
    """The good answer, with errors beside its data."""

    def act(exchange: Exchange) -> None:
        exchange.send(json.dumps(json.loads(exchange.ask()) | {"errors": errors}).encode())

    return act


@cache
def bomb(layers: int) -> bytes:
    """A gigabyte of blanks, packed."""
    packed = gzip.compress(b" " * 64 * MEGABYTE) * 16
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    return packed


def explode(layers: int) -> Act:
    encoding = ", ".join(["gzip"] * layers)

    def act(exchange: Exchange) -> None:
        exchange.send(bomb(layers), headers={"Content-Encoding": encoding})

    return act


def truncate(exchange: Exchange) -> None:
    body = exchange.ask()
    exchange.send(body[: len(body) // 2])


def in_charset(name: str, kind: str = "application/json") -> Act:
    def act(exchange: Exchange) -> None:
        body = json.dumps(json.loads(exchange.ask()), ensure_ascii=False).encode(name, "replace")
        exchange.send(body, headers={"Content-Type": kind})

    return act


def packed(exchange: Exchange) -> None:
    exchange.send(gzip.compress(exchange.ask()), headers={"Content-Encoding": "gzip"})


def not_packed(exchange: Exchange) -> None:
    exchange.send(exchange.ask(), headers={"Content-Encoding": "gzip"})


# Of the dossier in it


def changing(change: Change) -> Act:
    """The good answer, with each of its dossiers changed."""

    def act(exchange: Exchange) -> None:
        body = json.loads(exchange.ask())
        if body.get("data"):
            body["data"] = {alias: change(dossier) for alias, dossier in body["data"].items()}
        exchange.send(json.dumps(body).encode())

    return act


def changed(name: str, change: Change, reason: Reason | None = None) -> Fault:
    return Fault(name, changing(change), reason, change)


def put(**fields: Any) -> Change:
    return lambda dossier: dossier | fields


def put_inside(place: str, **fields: Any) -> Change:
    return lambda dossier: dossier | {place: dossier[place] | fields}


def without(field: str) -> Change:
    return lambda dossier: {name: value for name, value in dossier.items() if name != field}


def in_first_message(**fields: Any) -> Change:
    def change(dossier: Dossier) -> Dossier:
        first, *others = dossier["messages"]
        return dossier | {"messages": [first | fields, *others]}

    return change


def messages_twice(dossier: Dossier) -> Dossier:
    return dossier | {"messages": dossier["messages"] * 2}


def many_messages(dossier: Dossier) -> Dossier:
    model = dossier["messages"][0]
    more = [model | {"id": f"{model['id']}-{rank}"} for rank in range(500)]
    return dossier | {"messages": [*dossier["messages"], *more]}


def with_a_twin(exchange: Exchange) -> None:
    """The key `dossier` twice: JSON says nothing of it, and parsers take the last."""
    body = exchange.ask()
    exchange.send(body.replace(b'"data": {', b'"data": {"dossier": null, ', 1))


def dated(text: str) -> Act:
    """The good answer, with that `Date`."""

    def act(exchange: Exchange) -> None:
        exchange.send(exchange.ask(), headers={"Content-Type": "application/json", "Date": text})

    return act


def at_another_time(seconds: int) -> Act:
    """The good answer of a platform whose clock is not ours."""

    def act(exchange: Exchange) -> None:
        moment = formatdate(time.time() - seconds, usegmt=True)
        dated(moment)(exchange)

    return act


LATIN = "Réponse de la préfecture : ça y est, été comme hiver"
TOO_LATE, TOO_EARLY = "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"

FAULTS = [
    # The network
    Fault("connection refused", reason=Reason.NETWORK, refuses=True),
    Fault("reset before the answer", reset, Reason.NETWORK),
    Fault("reset in the body", reset_in_the_body, Reason.NETWORK),
    Fault("cut in the body", cut_in_the_body, Reason.NETWORK),
    Fault("cut in the headers", cut_in_the_headers, Reason.NETWORK),
    Fault("silence", silence, Reason.TIMEOUT),
    Fault("silence in the body", silence_in_the_body, Reason.TIMEOUT),
    Fault("one byte a second", drip, Reason.TIMEOUT, is_endless=True),
    Fault("not HTTP", noise, Reason.NETWORK),
    Fault("body in the headers", body_in_the_headers, Reason.NETWORK),
    Fault("broken chunks", broken_chunks, Reason.NETWORK),
    # The one who answers
    Fault("self-signed certificate", reason=Reason.CERTIFICATE, certificate="self-signed"),
    Fault("unknown authority", reason=Reason.CERTIFICATE, certificate="unknown authority"),
    Fault("expired certificate", reason=Reason.CERTIFICATE, certificate="expired"),
    Fault("certificate of another name", reason=Reason.CERTIFICATE, certificate="wrong name"),
    Fault("301 to another host", moved("301 Moved Permanently"), Reason.REDIRECT),
    Fault("302 to another host", moved("302 Found"), Reason.REDIRECT),
    Fault("307 to another host", moved("307 Temporary Redirect"), Reason.REDIRECT),
    Fault("308 to another host", moved("308 Permanent Redirect"), Reason.REDIRECT),
    Fault("HTML with 200", says(page("Portail"), kind="text/html"), Reason.NOT_THE_API),
    Fault("HTML with 403", says(page("Non"), "403 Forbidden", "text/html"), Reason.BLOCKED),
    Fault("HTML with 404", says(page("Rien"), "404 Not Found", "text/html"), Reason.NOT_THE_API),
    # Its bad days
    Fault("429 storm", says("Patience", "429 Slow", RateLimit_Reset="1"), Reason.THROTTLED),
    Fault("429 for an hour", says("Patience", "429 Slow", Retry_After="3600"), Reason.THROTTLED),
    Fault("500 storm", says({"errors": [error(None)]}, "500 Error"), Reason.SERVER_ERROR),
    Fault("502 storm", says(page("Bad"), "502 Bad", "text/html"), Reason.GATEWAY),
    Fault("504 storm", says(page("Late"), "504 Late", "text/html"), Reason.TIMEOUT),
    Fault("503 storm", says({"error": "maintenance"}, "503 No"), Reason.MAINTENANCE),
    # Bodies
    Fault("truncated JSON", truncate, Reason.NOT_THE_API),
    Fault("gigabyte body", pour, Reason.TOO_LARGE),
    Fault("gzip bomb", explode(1), Reason.TOO_LARGE),
    Fault("gzip bomb in gzip", explode(2), Reason.TOO_LARGE),
    Fault("gzip that is gzip", packed),
    Fault("gzip that is none", not_packed, Reason.UNEXPECTED),
    Fault("latin-1", in_charset("latin-1"), Reason.UNEXPECTED),
    Fault("UTF-16", in_charset("utf-16"), Reason.UNEXPECTED),
    Fault("UTF-8 called latin-1", in_charset("utf-8", "application/json; charset=latin-1")),
    Fault("empty body", says(""), Reason.NOT_THE_API),
    Fault("JSON null", says(None), Reason.NOT_THE_API),
    Fault("JSON list", says([1, "errors", "data"]), Reason.NOT_THE_API),
    Fault("JSON number", says(42), Reason.NOT_THE_API),
    Fault("JSON NaN", says("NaN"), Reason.NOT_THE_API),
    Fault("JSON number of 5,000 digits", says("9" * 5000), Reason.NOT_THE_API),
    Fault("JSON of 100,000 levels", says("[" * 100_000), Reason.NOT_THE_API),
    Fault("no dossier", says({"data": {"dossier": None}}), Reason.UNEXPECTED),
    Fault("a key twice", with_a_twin),
    Fault("a clock ten minutes off", at_another_time(600)),
    Fault("a clock a year off", at_another_time(365 * 86400)),
    Fault("a Date that is none", dated("yesterday")),
    # Errors
    Fault(
        "errors without code",
        says({"errors": [error(None, path=["dossier"])], "data": None}),
        Reason.UNEXPECTED,
    ),
    Fault("errors with data", with_errors(error("internal_error")), Reason.UNEXPECTED),
    Fault(
        "not found, with data", with_errors(error("not_found", path=["dossier"])), Reason.UNEXPECTED
    ),
    Fault("errors that are a text", with_errors("x"), Reason.UNEXPECTED),
    # The dossier
    changed("duplicated messages", messages_twice),
    changed("answered under another number", put(number=99999), Reason.UNEXPECTED),
    changed("number as text", lambda d: d | {"number": str(d["number"])}, Reason.UNEXPECTED),
    changed("number as fraction", lambda d: d | {"number": d["number"] + 0.5}, Reason.UNEXPECTED),
    changed("a field is missing", without("dateTraitement"), Reason.UNEXPECTED),
    changed("messages null", put(messages=None), Reason.UNEXPECTED),
    changed("a message null", put(messages=[None]), Reason.UNEXPECTED),
    changed("body of 4 megabytes", in_first_message(body="à" * 2 * MEGABYTE)),
    changed("500 more messages", many_messages),
    changed("lone surrogates in a body", in_first_message(body="a\ud83d b \udc00c")),
    changed("NUL in a body", in_first_message(body="a\0b\0")),
    changed("NUL in an address", in_first_message(email="a\0@example.org")),
    changed("surrogates in a title", put_inside("demarche", title="Aide \ud800")),
    changed("no address", put_inside("usager", email="")),
    changed("control characters in a title", put_inside("demarche", title="\x1b[2JAide\a\r\n")),
    changed("an unknown état", put(state="en_appel")),
    changed("an état with NUL", put(state="en\0_appel")),
    changed("a date after all time zones", put(dateTraitement=TOO_LATE), Reason.UNEXPECTED),
    changed("a date before all time zones", put(dateDepot=TOO_EARLY), Reason.UNEXPECTED),
    changed("30 February", put(dateDepot="2026-02-30T10:00:00+01:00"), Reason.UNEXPECTED),
    changed("a date without offset", put(dateDepot="2026-02-03T10:00:00"), Reason.UNEXPECTED),
    changed("a date of a message", in_first_message(createdAt=TOO_LATE), Reason.UNEXPECTED),
    changed(
        "a text deleted that still comes", in_first_message(discardedAt="2026-11-24T10:00:00+01:00")
    ),
]
