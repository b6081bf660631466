"""The platform's GraphQL API: one call and its retries (failures.py says what failures mean)."""

import logging
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
from dsintegration.exceptions import DSError, DSInvalidResponse, DSUnavailable, Reason
from dsintegration.platform.clock import Clock
from dsintegration.platform.documents import (
    GET_DEMARCHE,
    GET_DOSSIER,
    GET_PULSE,
    Document,
    get_dossiers,
)
from dsintegration.platform.failures import (
    answer_failure,
    failures_by_alias,
    http_moment,
    network_failure,
)
from dsintegration.platform.rate_limit import count_request, wait_for_turn
from dsintegration.platform.sockets import deadline, seconds_left
from dsintegration.platform.transport import BoundedTransport

# gql writes whole answers, which name people, at DEBUG.
logging.getLogger("gql.transport.requests").setLevel(logging.WARNING)

USER_AGENT = f"dsintegration/{__version__}"

# The seconds that one call may take in all. In the background they let a 429 wait for the next
# minute, then a slow answer come; in a web request somebody is waiting.
BACKGROUND_BUDGET = 120.0
WEB_BUDGET = 10.0

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
    """The API behind one address and one token. Threads may share it: each has its connection.

    `timeouts`: seconds for a connection and for each read; `budget`: seconds for a whole call,
    from the name look-up to the last byte of the last retry; `patient`: calls wait until the last
    minute has room for them (rate_limit.py).
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeouts: tuple[float, float] = (5, 35),
        budget: float = BACKGROUND_BUDGET,
        patient: bool = False,
    ) -> None:
        self.url = conf.validate_url(url, "DS_API_URL")
        if not token:
            raise ImproperlyConfigured("DS_API_TOKEN manque.")
        self._token = token
        self._timeouts = timeouts
        self.budget = budget
        self.patient = patient
        self.clock = Clock()
        self._local = threading.local()
        self._counting = threading.Lock()
        self.requests = 0  # that were sent, retries included

    @sensitive_variables()
    def get_dossier(self, number: int) -> dict[str, Any]:
        """The dossier as the platform gives it (type `Dossier`), not validated.

        Raises DossierNotFound, DSAccessDenied, DSUnavailable, DSInvalidResponse.
        """
        try:
            data = self._execute(GET_DOSSIER.with_variables(number=number))
        except DSError as err:
            err.dossier_number = number
            raise
        dossier = data.get("dossier")
        if not isinstance(dossier, dict):
            raise DSInvalidResponse(
                Reason.UNEXPECTED, dossier_number=number, detail="no dossier in the data"
            )
        return dossier

    @sensitive_variables()
    def get_dossiers(
        self, numbers: Sequence[int]
    ) -> tuple[dict[int, dict[str, Any]], dict[int, DSError]]:
        """Several dossiers in one request: those that came, and what the others failed with.

        One failing dossier nulls the whole answer. Those that its errors name are set aside, and
        the rest is asked again. Raises what concerns the request as a whole.
        """
        left, failures = list(numbers), dict[int, DSError]()
        for _ in range(MAX_ROUNDS):
            variables = {f"n{rank}": number for rank, number in enumerate(left)}
            try:
                data = self._execute(get_dossiers(len(left)).with_variables(**variables))
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
                found = {number: data.get(f"d{rank}") for rank, number in enumerate(left)}
                return {n: dossier for n, dossier in found.items() if dossier}, failures
        raise trouble

    def get_list(self, document: Document, demarche: int, **variables: Any) -> Any:
        """A page of a list of a démarche (documents.py), not validated."""
        asked = document.with_variables(demarche=demarche, **variables)
        return self._execute(asked).get("demarche")

    def get_demarche(self, number: int) -> Any:
        """Its id, number and title, not validated."""
        return self._execute(GET_DEMARCHE.with_variables(number=number)).get("demarche")

    def answers(self) -> bool:
        """Whether the platform answers at all."""
        try:
            self._execute(GET_PULSE)
        except DSError:
            return False
        return True

    def ask_once(self, document: Document) -> dict[str, Any]:
        """The `data` of the answer to one try: what a diagnosis sees (diagnosis.py).

        Not counted (rate_limit.py): a diagnosis must work when the cache does not.
        """
        with deadline(self.budget):
            return self._execute_once(document)

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
        """Close the connection of this thread; the next call opens another one."""
        if session := self._local.__dict__.pop("session", None):
            session.client.close_sync()

    def _execute(self, document: Document) -> dict[str, Any]:
        """The `data` of an answer without errors. Retries: every document of ours only reads."""
        attempts = Retrying(
            retry=retry_if_exception(_is_worth_another_try),
            wait=_seconds_to_wait,
            stop=_is_the_last_try,
            sleep=lambda seconds: pause(seconds),
            before_sleep=lambda _: count_request(),
            reraise=True,
        )
        self._local.sent_at = None
        if self.patient:
            wait_for_turn()
        else:
            count_request()
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

    def _session(self) -> SyncClientSession:
        session: SyncClientSession | None = getattr(self._local, "session", None)
        if session is None:
            transport = BoundedTransport(
                self.url, token=self._token, user_agent=USER_AGENT, timeouts=self._timeouts
            )
            session = gql.Client(transport=transport).connect_sync()  # type: ignore[no-untyped-call]
            self._local.session = session
        return session


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
    return _kept_client(conf.api_url(), conf.api_token(), (connect, read), budget, patient)


@lru_cache(maxsize=4)
def _kept_client(
    url: str, token: str, timeouts: tuple[float, float], budget: float, patient: bool
) -> Client:
    return Client(url, token, timeouts=timeouts, budget=budget, patient=patient)


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
