"""One fault, tried: the platform has moved, the app asks for it through the fault, then again."""

from contextlib import nullcontext
from typing import Any

from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.models import Dossier
from dsintegration.sandbox import Sandbox
from dsintegration.sandbox.scenarios import DOSSIERS
from tests.torture.app import Answer, App, Run
from tests.torture.faults import SOMEBODY, Fault
from tests.torture.proxy import Proxy
from tests.torture.whole import NotWhole, check_silent, check_stored, private_words, said, stored

# What people see of each kind: exit status, HTTP status (design: the table of errors).
SEEN: dict[type[DSError], tuple[int, int]] = {
    DossierNotFound: (3, 404),
    DSAccessDenied: (4, 502),
    DSUnavailable: (5, 503),
    DSInvalidResponse: (6, 502),
}
NUMBERS = (12345, 12354)


def kind_of(reason: Reason) -> type[DSError]:
    return next(kind for kind in SEEN if reason in kind.sentences)


def moved(number: int) -> dict[str, Any]:
    """The dossier some time later: another état, one more message."""
    dossier = DOSSIERS[number]
    more = {
        "id": f"Commentaire-{number}",
        "email": "cheffe.de.service@agglo.example.org",
        "body": "Bonjour, votre dossier est accepté : la convention suit par courrier.",
        "createdAt": "2026-11-24T10:00:00+01:00",
        "discardedAt": None,
        "attachments": [],
    }
    return dossier | {
        "state": "accepte",
        "dateTraitement": "2026-11-24T10:00:00+01:00",
        "dateDerniereModification": "2026-11-24T10:00:00+01:00",
        "messages": [*dossier["messages"], more],
    }


def try_fault(fault: Fault, app: App, proxy: Proxy, sandbox: Sandbox, *, turn: int = 0) -> str:
    """Fetch a known dossier and a new one through the fault, one by command, one by REST.

    What people saw, in a few words. Raises NotWhole.
    """
    known, new = NUMBERS if turn % 2 == 0 else reversed(NUMBERS)
    Dossier.objects.filter(number=new).delete()
    sandbox.dossiers = dict(DOSSIERS)
    app.post(known)
    before = {known: stored([known])[known], new: None}
    sandbox.dossiers |= {number: moved(number) for number in (known, new)}
    app.logs()

    by_command, by_rest = (known, new) if turn % 4 < 2 else (new, known)
    hurry = app.in_a_hurry() if fault.reason is Reason.TIMEOUT else nullcontext()
    with proxy.playing(fault.act, certificate=fault.certificate, refuses=fault.refuses), hurry:
        run, answer = app.fetch_both(by_command, by_rest, is_endless=fault.is_endless)
    written = app.logs()

    given = {number: moved(number) for number in (known, new)}
    if not fault.reason:
        given = {number: fault.change(dossier) for number, dossier in given.items()}
    private = {SOMEBODY} | private_words([*DOSSIERS.values(), *given.values()])
    if run:
        _expect(run, fault.reason, by_command)
        check_silent(run.out + run.err, private)
    _expect_answer(answer, fault.reason, created=by_rest == new)
    check_silent(answer.body, private) if fault.reason else None
    check_silent(written, private)
    if fault.reason:
        check_stored({number: [before[number]] for number in before})
    else:
        check_stored({n: [said(given[n])] for n in before if run or n == by_rest})
    if visits := proxy.elsewhere.visits():
        raise NotWhole(f"{visits} visits to another host")

    _expect_answer(app.post(known), None, created=False)
    _expect_answer(
        app.post(new), None, created=bool(fault.reason) or (run is None and by_rest != new)
    )
    recovered = {number: said(moved(number)) for number in (known, new)}
    check_stored({number: [recovered[number]] for number in recovered})
    return f"{SEEN[kind_of(fault.reason)]} {fault.reason}" if fault.reason else "stored"


def _expect(run: Run, reason: Reason | None, number: int) -> None:
    status = SEEN[kind_of(reason)][0] if reason else 0
    if run.status != status:
        raise NotWhole(f"exit status {run.status} instead of {status}: {run.err[-300:]}")
    sentence = f"Dossier n° {number} : {kind_of(reason).sentences[reason]}\n" if reason else ""
    # Beside our logs, which are lines of JSON.
    said_to_people = [line for line in run.err.splitlines(keepends=True) if line[0] != "{"]
    if "".join(said_to_people) != sentence:
        raise NotWhole(f"on standard error: {run.err[-300:]}")


def _expect_answer(answer: Answer, reason: Reason | None, *, created: bool) -> None:
    status = SEEN[kind_of(reason)][1] if reason else 201 if created else 200
    if answer.status != status:
        raise NotWhole(f"HTTP status {answer.status} instead of {status}: {answer.body[:300]}")
    if reason and f'"code":"{kind_of(reason).code}"' not in answer.body:
        raise NotWhole(f"another code: {answer.body[:300]}")
