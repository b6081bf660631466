"""A refresh of two démarches, of which one list or one dossier goes wrong.

All the others are refreshed by the same run, the culprit alone is marked, and once the platform is
well it is as the others.
"""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from dsintegration.exceptions import Reason
from dsintegration.models import Demarche, Dossier, RefreshTurn
from dsintegration.sandbox import Sandbox
from dsintegration.services import fetch_dossiers
from tests.torture.app import Run
from tests.torture.faults import (
    MEGABYTE,
    at_another_time,
    cut_in_the_body,
    page,
    pour,
    says,
    silence,
)
from tests.torture.kills import PRIVATE, dossier_at
from tests.torture.ledger import Ledger
from tests.torture.processes import Processes
from tests.torture.proxy import Act, Exchange, Proxy
from tests.torture.trial import SEEN, kind_of
from tests.torture.whole import NotWhole, check_silent, check_stored, said, stored

# More than a hundred of each, that their lists are worth it.
BAD, GOOD = 71, 72
NUMBERS = {BAD: range(28_740_001, 28_740_121), GOOD: range(28_741_001, 28_741_121)}
CULPRITS = (28_740_061, 28_740_099)
ALL = {*NUMBERS[BAD], *NUMBERS[GOOD]}
MESSAGES = 2
YEAR = 365 * 86400


@dataclass(frozen=True)
class Fault:
    """`reason`: what is noted on `culprits`; `ends_with`: what the run says that it met;
    `shift`: the seconds by which the platform's clock is behind ours.
    """

    name: str
    act: Act
    ends_with: Reason | None = None
    culprits: tuple[int, ...] = ()
    shift: int = 0
    followed: bool = False

    @property
    def status(self) -> int:
        return SEEN[kind_of(self.ends_with)][0] if self.ends_with else 0


def of_lists(act: Act) -> Act:
    """Those of the bad démarche alone."""

    def play(exchange: Exchange) -> None:
        asked = json.loads(exchange.request.partition(b"\r\n\r\n")[2])["variables"]
        act(exchange) if asked.get("demarche") == BAD else exchange.send(exchange.ask())

    return play


def of_dossiers(act: Act, *culprits: int) -> Act:
    """Whatever brings one of them whole, alone or among others."""

    def play(exchange: Exchange) -> None:
        body = exchange.ask()
        ids = (f'"Dossier-{number}"'.encode() for number in culprits)
        act(exchange) if any(ds_id in body for ds_id in ids) else exchange.send(body)

    return play


def changing_list(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Act:
    def act(exchange: Exchange) -> None:
        body = json.loads(exchange.ask())
        body["data"]["demarche"]["list"] |= change(body["data"]["demarche"]["list"])
        exchange.send(json.dumps(body).encode())

    return of_lists(act)


def another_demarche(exchange: Exchange) -> None:
    body = json.loads(exchange.ask())
    body["data"]["demarche"]["number"] = GOOD
    exchange.send(json.dumps(body).encode())


def without_its_messages(exchange: Exchange) -> None:
    body = exchange.ask()
    ds_id = f"Commentaire-{CULPRITS[0]}-0".encode()
    exchange.send(body.replace(b'"id": "' + ds_id, b'"ID": "' + ds_id))


_AGAIN = {"pageInfo": {"hasNextPage": True, "endCursor": "again"}, "nodes": []}
ENDLESS = says({"data": {"demarche": {"number": BAD, "list": _AGAIN}}})
BAD_GATEWAY = says(page("Bad"), "502 Bad", "text/html")
LATE = says(page("Late"), "504 Late", "text/html")
HUGE = says("x" * (33 * MEGABYTE))
ONE = CULPRITS[:1]

FAULTS = [
    Fault("a list with null nodes", changing_list(lambda it: {"nodes": [None, *it["nodes"]]})),
    Fault("a list without nodes", changing_list(lambda _: {"nodes": None})),
    Fault("a list without end", of_lists(ENDLESS)),
    Fault("a list of another démarche", of_lists(another_demarche)),
    Fault("lists: 502", of_lists(BAD_GATEWAY)),
    Fault("lists: 504", of_lists(LATE)),
    Fault("lists: cut in the body", of_lists(cut_in_the_body)),
    Fault("lists: silence", of_lists(silence)),
    Fault("lists: gigabyte", of_lists(pour)),
    Fault("one dossier: 502", of_dossiers(BAD_GATEWAY, *ONE), Reason.GATEWAY, ONE),
    Fault("one dossier: too large", of_dossiers(HUGE, *ONE), Reason.TOO_LARGE, ONE),
    Fault("one dossier: cut", of_dossiers(cut_in_the_body, *ONE), Reason.NETWORK, ONE),
    Fault("one dossier: malformed", without_its_messages, Reason.UNEXPECTED, ONE),
    Fault("two dossiers: silence", of_dossiers(silence, *CULPRITS), Reason.TIMEOUT, CULPRITS),
    Fault("a clock ten minutes behind", at_another_time(600), shift=600),
    Fault("a clock ten minutes ahead", at_another_time(-600), shift=-600),
    Fault("a clock a year behind", at_another_time(YEAR), shift=YEAR),
    Fault("a clock a year ahead", at_another_time(-YEAR), shift=-YEAR),
]
# Where whole dossiers come in pages, a list that fails is told.
OF_FOLLOWED = [
    Fault("lists: 502", of_lists(BAD_GATEWAY), Reason.GATEWAY, followed=True),
    Fault("a list without end", of_lists(ENDLESS), Reason.UNEXPECTED, followed=True),
    *(
        Fault(fault.name, fault.act, fault.ends_with, fault.culprits, followed=True)
        for fault in FAULTS
        if fault.ends_with in (Reason.GATEWAY, Reason.UNEXPECTED)
    ),
]


class Refreshes:
    def __init__(self, ledger: Ledger, app: Processes, proxy: Proxy, sandbox: Sandbox) -> None:
        self.ledger, self.app, self.proxy, self.sandbox = ledger, app, proxy, sandbox
        self.turn = 0

    def try_all(self) -> None:
        self.sandbox.dossiers |= self._moved()
        list(fetch_dossiers(ALL))
        for fault in (*FAULTS, *OF_FOLLOWED):
            kind = "followed" if fault.followed else "refresh"
            with self.ledger.attempt(f"{kind}: {fault.name}") as seen:
                seen.append(self._try_one(fault))
        with self.ledger.attempt("refresh: one that hangs") as seen:
            seen.append(self._try_hanging())

    def _moved(self) -> dict[int, dict[str, Any]]:
        """Each second one some time later; all the same where the turn is the first."""
        self.turn += 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        moved = {}
        for demarche, numbers in NUMBERS.items():
            for number in numbers[:: 1 if self.turn == 1 else 2]:
                dossier = dossier_at(number, self.turn, demarche)
                messages = dossier["messages"][:MESSAGES]
                moved[number] = dossier | {"dateDerniereModification": now, "messages": messages}
        return moved

    def _make_due(self, *, followed: bool) -> None:
        hour = timedelta(hours=1)
        now = timezone.now()
        Dossier.objects.filter(number__in=ALL).update(
            checked_at=now - 2 * hour, fetched_at=now - 2 * hour, next_try_at=None
        )
        Demarche.objects.filter(number__in=NUMBERS).update(
            followed=followed,
            next_list_at=None,
            read_until=now - hour if followed else None,
            covered_from=now - 3 * hour if followed else None,
            reading_cursor="",
        )

    def _refresh(self) -> Run:
        words = [f"--demarche={number}" for number in NUMBERS]
        return self.app.command("refresh_dossiers", "--older-than=1h", *words)

    def _try_one(self, fault: Fault) -> str:
        self.sandbox.dossiers |= self._moved()
        before = stored(fault.culprits)
        self._make_due(followed=fault.followed)
        begun_at = timezone.now() - timedelta(seconds=fault.shift + 2)
        with self.proxy.playing(fault.act):
            run = self._refresh()
        if run.status != fault.status or "Traceback" in run.out + run.err:
            raise NotWhole(f"exit status {run.status}: {(run.out + run.err)[-600:]}")
        check_silent(run.out + run.err + self.app.logs(), PRIVATE)
        wanted = {number: said(self.sandbox.dossiers[number]) for number in ALL}
        check_stored({n: [before.get(n) or dossier] for n, dossier in wanted.items()})
        self._check_marks(fault, begun_at)
        self.sandbox.dossiers |= self._moved()
        wanted = {number: said(self.sandbox.dossiers[number]) for number in ALL}
        if fault.shift >= 0:  # what bears a moment to come is due by itself
            self._make_due(followed=fault.followed)
        begun_at = timezone.now() - timedelta(seconds=2)
        if (run := self._refresh()).status:
            raise NotWhole(f"the next run: {run.status} {run.err[-600:]}")
        check_stored({number: [dossier] for number, dossier in wanted.items()})
        self._check_marks(None, begun_at)
        return f"exit {fault.status}"

    def _check_marks(self, fault: Fault | None, begun_at: datetime) -> None:
        """The culprits are marked, and nobody else; all others were asked for, or vouched for."""
        rows = Dossier.objects.filter(number__in=ALL)
        marks = rows.exclude(last_error_at=None).values_list("number", "last_error_reason")
        culprits = fault.culprits if fault else ()
        if dict(marks) != {number: fault.ends_with for number in culprits if fault}:
            raise NotWhole(f"marked: {dict(marks)}")
        until = begun_at + timedelta(minutes=5)
        fresh = rows.filter(checked_at__gte=begun_at, checked_at__lt=until)
        stale = ALL - {*culprits, *fresh.values_list("number", flat=True)}
        if stale:
            raise NotWhole(f"{len(stale)} were not checked, of them {min(stale)}")

    def _try_hanging(self) -> str:
        """It holds the turn until its end, and no lock; when it wakes up it does no harm."""
        self.sandbox.dossiers |= self._moved()
        self._make_due(followed=False)
        asked = self.proxy.requests
        with self.proxy.playing(of_dossiers(silence, *ALL)):
            process = self.app.start("refresh_dossiers", "--older-than=1h")
            while self.proxy.requests < asked + 7 and process.poll() is None:
                connection.close()
            os.kill(process.pid, signal.SIGSTOP)
        try:
            other = self._refresh()
            if other.status or "en cours" not in other.out:
                raise NotWhole(f"a second one: {other.status} {(other.out + other.err)[-300:]}")
            RefreshTurn.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
            other = self._refresh()
            if other.status or "en cours" in other.out:
                raise NotWhole(f"after its end: {other.status} {(other.out + other.err)[-300:]}")
        finally:
            os.kill(process.pid, signal.SIGCONT)
            process.wait()
        check_stored({n: [said(self.sandbox.dossiers[n])] for n in ALL})
        return "its turn ends"
