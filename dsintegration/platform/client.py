"""The platform's GraphQL API: one call and its retries (failures.py says what failures mean)."""

import logging
import os
import random
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import gql
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from gql.client import SyncClientSession
from gql.transport.exceptions import TransportConnectionFailed, TransportError
from tenacity import RetryCallState, Retrying, retry_if_exception

from dsintegration import __version__, conf
from dsintegration.exceptions import (
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.payloads.content import FAILURE
from dsintegration.payloads.selection import NOTHING, Selection
from dsintegration.platform.clock import Clock
from dsintegration.platform.content import variables
from dsintegration.platform.documents import (
    GET_DEMARCHE,
    GET_FORM,
    GET_PULSE,
    Document,
    get_dossier,
    get_dossiers,
)
from dsintegration.platform.failures import (
    answer_failure,
    failures_by_alias,
    http_moment,
    network_failure,
)
from dsintegration.platform.rate_limit import count_request, wait_for_turn
from dsintegration.platform.sockets import WEB_BUDGET, deadline, seconds_left
from dsintegration.platform.tokens import Tokens
from dsintegration.platform.transport import BoundedTransport

# gql writes whole answers, which name people, at DEBUG.
logging.getLogger("gql.transport.requests").setLevel(logging.WARNING)

USER_AGENT = f"dsintegration/{__version__}"

# The seconds that one call may take in all. In the background they let a 429 wait for the next
# minute, then a slow answer come; in a web request somebody is waiting.
BACKGROUND_BUDGET = 120.0

# What a dossier fails with when it may be for what its démarche keeps of it: a date that cannot be
# read, a form that takes too long, a document that a newer schema refuses.
OF_ITS_CONTENT = {
    Reason.UNEXPECTED,
    Reason.QUERY_TIMEOUT,
    Reason.QUERY_REFUSED,
    Reason.SERVER_ERROR,
    Reason.GATEWAY,
    Reason.TIMEOUT,
    Reason.TOO_LARGE,
}

# Of the time of one dossier, what its content may take: the rest of it needs some, too.
CONTENT_SHARE = 0.7

ATTEMPTS = 3
# How often the rest of a batch is asked again: a server may name its failures one by one.
MAX_ROUNDS = 5
WORTH_ANOTHER_TRY = {
    Reason.NETWORK,
    Reason.THROTTLED,
    Reason.MAINTENANCE,
    Reason.GATEWAY,
    Reason.SERVER_ERROR,
}

pause = time.sleep


class Client:
    """The API behind one address and one token, or several (tokens.py): each of them is tried where
    it is not known which one reads a démarche. Threads may share it: each has its connections.

    `timeouts`: seconds for a connection and for each read; `budget`: seconds for a whole call,
    from the name look-up to the last byte of the last retry; `patient`: calls wait until the last
    minute has room for them (rate_limit.py).
    """

    def __init__(
        self,
        url: str,
        token: str,
        *others: str,
        timeouts: tuple[float, float] = (5, 35),
        budget: float = BACKGROUND_BUDGET,
        patient: bool = False,
    ) -> None:
        self.url = conf.validate_url(url, "DS_API_URL")
        if not token:
            raise ImproperlyConfigured("DS_API_TOKEN manque.")
        self.tokens = Tokens([token, *others])
        self._timeouts = timeouts
        self.budget = budget
        self.patient = patient
        self.clock = Clock()
        self._local = threading.local()
        self._counting = threading.Lock()
        self.requests = 0  # that were sent, retries included

    @sensitive_variables()
    def get_dossier(self, number: int, selection: Selection = NOTHING) -> dict[str, Any]:
        """The dossier as the platform gives it (type `Dossier`), not validated.

        `selection`: what is asked beside the mirror's own columns. Where it is the cause of a
        failure, the rest is asked for without it, and the answer says so (payloads/content.py).
        Raises DossierNotFound, DSAccessDenied, DSUnavailable, DSInvalidResponse.
        """
        if not selection:
            return self._get_dossier(number, NOTHING)
        left = seconds_left()
        try:
            with deadline(CONTENT_SHARE * (self.budget if left is None else left)):
                return self._get_dossier(number, selection)
        except DSError as err:
            if err.reason not in OF_ITS_CONTENT:
                raise
            failure = err.reason
        return self._get_dossier(number, NOTHING) | {FAILURE: failure.value}

    @sensitive_variables()
    def _get_dossier(self, number: int, selection: Selection) -> dict[str, Any]:
        try:
            preferred = self.tokens.expected.pop(number, "")
            asked = get_dossier(selection).with_variables(number=number, **variables(selection))
            data = self._with_each(preferred, asked)
        except DSError as err:
            err.dossier_number = number
            raise
        dossier = data.get("dossier")
        if not isinstance(dossier, dict):
            raise DSInvalidResponse(
                Reason.UNEXPECTED, dossier_number=number, detail="no dossier in the data"
            )
        self._note_reader(dossier)
        return dossier

    @sensitive_variables()
    def get_addresses(self, number: int, document: Document, **variables: Any) -> dict[str, Any]:
        """What a document of files (documents.py) asks of a dossier, not validated; raises as
        `get_dossier`.
        """
        asked = document.with_variables(number=number, **variables)
        try:
            data = self._with_each(self.tokens.expected.pop(number, ""), asked)
        except DSError as err:
            err.dossier_number = number
            raise
        dossier = data.get("dossier")
        if not isinstance(dossier, dict):
            raise DSInvalidResponse(Reason.UNEXPECTED, dossier_number=number, detail="no dossier")
        return dossier

    @sensitive_variables()
    def get_dossiers(
        self, numbers: Sequence[int], selection: Selection = NOTHING
    ) -> tuple[dict[int, Any], dict[int, DSError]]:
        """Several dossiers in one request: those that came, not validated; what the others failed
        with.

        One failing dossier nulls the whole answer. Those that its errors name are set aside, and
        the rest is asked again; `selection` is part of what all are asked. Raises what concerns the
        request as a whole.
        """
        found, failures = dict[int, Any](), dict[int, DSError]()
        left, sent_at, trouble = list(numbers), None, None
        expected = [self.tokens.expected.get(number, "") for number in numbers]
        for name in self.tokens.in_order(expected[0]):
            self._local.token = name
            try:
                more, failed = self._get_dossiers(left, selection)
            except DSAccessDenied as err:
                trouble = self._refused(name, err, trouble)
                continue
            finally:
                # As new as the first of its requests.
                sent_at = sent_at or self._local.sent_at
                self._local.sent_at = sent_at
            for dossier in more.values():
                self._note_reader(dossier)
            found |= more
            failures = failures | failed
            left = [n for n, err in failed.items() if err.reason is Reason.NO_RIGHT]
            if not left:
                break
        if trouble and not (found or failures):
            raise trouble
        for number in found:
            failures.pop(number, None)
            self.tokens.expected.pop(number, None)
        return found, failures

    def _get_dossiers(
        self, numbers: Sequence[int], selection: Selection
    ) -> tuple[dict[int, Any], dict[int, DSError]]:
        left, failures = list(numbers), dict[int, DSError]()
        for _ in range(MAX_ROUNDS):
            asked = {f"n{rank}": number for rank, number in enumerate(left)}
            document = get_dossiers(len(left), selection)
            try:
                data = self._execute(document.with_variables(**asked, **variables(selection)))
            except DSError as err:
                named = failures_by_alias(self.transport)
                if not named or max(named) >= len(left):
                    raise
                failures |= {left[rank]: named[rank].about(left[rank]) for rank in named}
                left = [number for number in left if number not in failures]
                if not left:
                    return {}, failures
                trouble = err
            else:
                return {n: data.get(f"d{rank}") for rank, n in enumerate(left)}, failures
        raise trouble

    def get_list(self, document: Document, demarche: int, **variables: Any) -> Any:
        """A page of a list of a démarche (documents.py), not validated."""
        asked = document.with_variables(demarche=demarche, **variables)
        data = self._with_each(self.tokens.readers.get(demarche, ""), asked)
        self.tokens.readers[demarche] = self._token_in_use
        return data.get("demarche")

    def get_demarche(self, number: int) -> Any:
        """Its id, number and title, not validated."""
        asked = GET_DEMARCHE.with_variables(number=number)
        data = self._with_each(self.tokens.readers.get(number, ""), asked)
        self.tokens.readers[number] = self._token_in_use
        return data.get("demarche")

    def get_form(self, number: int) -> Any:
        """A démarche with its form (type `Revision`), not validated."""
        asked = GET_FORM.with_variables(number=number)
        data = self._with_each(self.tokens.readers.get(number, ""), asked)
        self.tokens.readers[number] = self._token_in_use
        return data.get("demarche")

    def ask_once(self, document: Document) -> dict[str, Any]:
        """The `data` of the answer to one try: what a diagnosis sees (diagnosis.py).

        Not counted (rate_limit.py): a diagnosis must work when the cache does not.
        """
        with deadline(self.budget):
            return self._execute_once(document)

    def answers(self, *, within: float | None = None) -> bool:
        """Whether the platform answers at all; `within`: in one try of so many seconds."""
        try:
            if within is None:
                self._execute(GET_PULSE)
            else:
                count_request(self._counted_as)
                with deadline(within):
                    self._execute_once(GET_PULSE)
        except DSError:
            return False
        return True

    @property
    def transport(self) -> BoundedTransport:
        """This thread's, which remembers the last answer; ImproperlyConfigured if it has none."""
        transport: BoundedTransport = self._session().transport
        return transport

    @property
    def sent_at(self) -> datetime | None:
        """When this thread's last call sent its last try, by the platform's clock: what an answer
        is as new as.
        """
        sent_at: datetime | None = getattr(self._local, "sent_at", None)
        return sent_at and sent_at + self.clock.offset

    def now(self) -> datetime:
        """The platform's present."""
        return self.clock.now()

    @property
    def requests_here(self) -> int:
        """The same as `requests`, of this thread alone."""
        count: int = getattr(self._local, "requests", 0)
        return count

    def close(self) -> None:
        """Close the connections of this thread; the next call opens others."""
        for session in self._local.__dict__.pop("sessions", {}).values():
            session.client.close_sync()

    @property
    def _token_in_use(self) -> str:
        """The fingerprint of that of this thread's last call."""
        name: str = getattr(self._local, "token", "") or self.tokens.first
        return name

    @sensitive_variables()
    def _with_each(self, preferred: str, document: Document) -> dict[str, Any]:
        """The `data` of the first token that has a right to it."""
        trouble = None
        for name in self.tokens.in_order(preferred):
            self._local.token = name
            try:
                return self._execute(document)
            except DSAccessDenied as err:
                trouble = self._refused(name, err, trouble)
        assert trouble is not None  # noqa: S101  # for mypy: there is a token
        raise trouble

    def _refused(
        self, name: str, err: DSAccessDenied, former: DSAccessDenied | None
    ) -> DSAccessDenied:
        """What two refusals come to: one token that is good, without a right, is enough."""
        if err.stops_batch:
            self.tokens.note_refusal(name)
        return former if former and not former.stops_batch else err

    @sensitive_variables()
    def _note_reader(self, dossier: Any) -> None:
        demarche = dossier.get("demarche") if isinstance(dossier, dict) else None
        number = demarche.get("number") if isinstance(demarche, dict) else None
        if self.tokens.are_several and isinstance(number, int):
            self.tokens.readers[number] = self._token_in_use

    def _execute(self, document: Document) -> dict[str, Any]:
        """The `data` of an answer without errors. Retries: every document of ours only reads."""
        attempts = Retrying(
            retry=retry_if_exception(_is_worth_another_try),
            wait=_seconds_to_wait,
            stop=_is_the_last_try,
            sleep=lambda seconds: pause(seconds),
            before_sleep=lambda _: count_request(self._counted_as),
            reraise=True,
        )
        self._local.sent_at = None
        if self.patient:
            wait_for_turn(self._counted_as)
        else:
            count_request(self._counted_as)
        with deadline(self.budget):
            return attempts(self._execute_once, document)

    def _execute_once(self, document: Document) -> dict[str, Any]:
        session, transport = self._session(), self.transport
        transport.forget_last_answer()
        self._local.sent_at, started = timezone.now(), time.monotonic()
        self._local.requests = self.requests_here + 1
        with self._counting:
            self.requests += 1
        try:
            result = session.execute(document, get_execution_result=True)
        except TransportConnectionFailed as err:
            # Frames below hold the header with the token: nothing of them is chained.
            raise network_failure(err) from None
        except (TransportError, AssertionError, TypeError, AttributeError):
            # gql's own words repeat the answer: neither shown nor chained.
            raise answer_failure(transport) from None
        finally:
            if transport.last_response is not None:
                took = timedelta(seconds=time.monotonic() - started)
                date = http_moment(transport.last_response.headers.get("Date"))
                self.clock.learn(self._local.sent_at, took, date)
        response = transport.last_response
        errors = (transport.last_body or {}).get("errors")
        if response is None or response.status_code != 200 or errors not in (None, []):
            raise answer_failure(transport)
        if not isinstance(result.data, dict):
            raise answer_failure(transport)
        return result.data

    @property
    def _counted_as(self) -> str:
        """The platform counts the requests of each token."""
        return self._token_in_use if self.tokens.are_several else ""

    def _session(self) -> SyncClientSession:
        name = self._token_in_use
        # A process that was forked has its parent's connections, and would read its answers. They
        # are left as they are: closing one would tell the other side.
        if self._local.__dict__.get("pid") != os.getpid():
            self._local.pid, self._local.sessions = os.getpid(), {}
        sessions: dict[str, SyncClientSession] = self._local.sessions
        if name not in sessions:
            token = self.tokens[name]
            transport = BoundedTransport(
                self.url, token=token, user_agent=USER_AGENT, timeouts=self._timeouts
            )
            connected = gql.Client(transport=transport).connect_sync()  # type: ignore[no-untyped-call]
            sessions[name] = connected
        return sessions[name]


def get_client(*, web: bool = False, patient: bool = False) -> Client:
    """The client that the settings describe, kept from one call to the next.

    `web`: somebody waits for the page, so a call ends after 10 s at most (several calls together,
    in a `deadline` of their own). `patient`: work that may wait for room in the minute.
    Raises ImproperlyConfigured, for any of our settings: one that the display of a dossier would
    stumble over is refused before the platform is asked.
    """
    for reader in conf.READERS:
        reader()
    connect, read = conf.timeouts()
    if web:
        connect, read = min(connect, WEB_BUDGET), min(read, WEB_BUDGET)
    budget = WEB_BUDGET if web else BACKGROUND_BUDGET
    return _kept_client(conf.api_url(), conf.api_tokens(), (connect, read), budget, patient)


@lru_cache(maxsize=4)
def _kept_client(
    url: str, tokens: tuple[str, ...], timeouts: tuple[float, float], budget: float, patient: bool
) -> Client:
    return Client(url, *tokens, timeouts=timeouts, budget=budget, patient=patient)


# Retries


def _is_worth_another_try(err: BaseException) -> bool:
    return isinstance(err, DSError) and err.reason in WORTH_ANOTHER_TRY


def _is_the_last_try(state: RetryCallState) -> bool:
    """Tries are few, and none is begun whose pause alone would outlast the deadline."""
    left = seconds_left()
    return state.attempt_number >= ATTEMPTS or (left is not None and state.upcoming_sleep >= left)


def _seconds_to_wait(state: RetryCallState) -> float:
    """What the platform asks for, or 0.5 s then 1 s; never all callers at the same moment."""
    err = state.outcome and state.outcome.exception()
    asked = err.retry_after if isinstance(err, DSUnavailable) else None
    backoff: float = 0.5 * 2 ** (state.attempt_number - 1)
    return max(asked or 0, backoff) + random.uniform(0, backoff)  # noqa: S311
