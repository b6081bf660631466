"""The platform's GraphQL API: one call, its retries, and the translation of every failure.

Failures are told apart on the HTTP status and `extensions.code`, never on the text of a message,
which changes. Nothing of an answer goes into an exception: its texts may name people.
"""

import logging
import random
import re
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import gql
import requests
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from gql.client import SyncClientSession
from gql.transport.exceptions import TransportConnectionFailed, TransportError
from tenacity import RetryCallState, Retrying, retry_if_exception
from urllib3.exceptions import ReadTimeoutError

from dsintegration import __version__, conf
from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.pace import count_request, wait_for_turn
from dsintegration.queries import GET_CHANGES, GET_DOSSIER, Document, get_dossiers
from dsintegration.transport import BodyTooLargeError, BoundedTransport, deadline, seconds_left

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
    minute has room for them (pace.py).
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
        self._budget = budget
        self._patient = patient
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
                named = _failures_by_alias(self._session().transport)
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

    def get_changes(self, demarche: int, since: datetime, cursors: Mapping[str, str]) -> Any:
        """A page of what moved and what went in a démarche since a moment, not validated.

        `cursors` go on from a former page: `after`, `afterPending`, `afterDeleted`.
        """
        variables = {"demarche": demarche, "since": since.isoformat(), **cursors}
        return self._execute(GET_CHANGES.with_variables(**variables)).get("demarche")

    @property
    def sent_at(self) -> datetime | None:
        """When this thread's last call sent its last try: what an answer is as new as."""
        return getattr(self._local, "sent_at", None)

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
        if self._patient:
            wait_for_turn()
        else:
            count_request()
        with deadline(self._budget):
            return attempts(self._execute_once, document)

    def _execute_once(self, document: Document) -> dict[str, Any]:
        session = self._session()
        transport: BoundedTransport = session.transport
        transport.forget_last_answer()
        self._local.sent_at = timezone.now()
        with self._counting:
            self.requests += 1
        try:
            result = session.execute(document, get_execution_result=True)
        except TransportConnectionFailed as err:
            # Frames below hold the header with the token: nothing of them is chained.
            raise _network_failure(err) from None
        except (TransportError, AssertionError, TypeError, AttributeError):
            # gql's own words repeat the answer: neither shown nor chained.
            raise _answer_failure(transport) from None
        response = transport.last_response
        errors = (transport.last_body or {}).get("errors")
        if response is None or response.status_code != 200 or errors not in (None, []):
            raise _answer_failure(transport)
        if not isinstance(result.data, dict):
            raise _answer_failure(transport)
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


# Translation

_SECONDS = re.compile(r"[0-9]{1,10}")


def _network_failure(err: TransportConnectionFailed) -> DSError:
    """No answer came, or only a part of one."""
    cause = err.__cause__
    detail = type(cause).__name__
    if isinstance(cause, BodyTooLargeError):
        return DSInvalidResponse(Reason.TOO_LARGE, detail=detail)
    if isinstance(cause, requests.exceptions.ContentDecodingError | UnicodeDecodeError):
        return DSInvalidResponse(Reason.UNEXPECTED, detail=detail)
    # A body that stalls comes as a ConnectionError around it.
    inner = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    is_timeout = isinstance(cause, requests.Timeout) or isinstance(inner, ReadTimeoutError)
    if is_timeout or seconds_left() == 0:
        return DSUnavailable(Reason.TIMEOUT, detail=detail)
    if isinstance(cause, requests.exceptions.SSLError) and _has_bad_certificate(cause):
        return DSInvalidResponse(Reason.CERTIFICATE, detail=detail)
    if isinstance(cause, OSError):  # as is requests.RequestException
        return DSUnavailable(Reason.NETWORK, detail=detail)
    raise err


def _has_bad_certificate(err: BaseException | None) -> bool:
    """Whether verification failed, and not merely the connection under it."""
    while err is not None:
        if isinstance(err, ssl.SSLCertVerificationError):
            return True
        inner = getattr(err, "reason", None) or (err.args[0] if err.args else None)
        err = inner if isinstance(inner, BaseException) else err.__cause__
    return False


def _answer_failure(transport: BoundedTransport) -> DSError:
    """What an answer without usable data says, by its HTTP status, then by its codes."""
    response = transport.last_response
    assert response is not None  # noqa: S101  # for mypy: gql had one to complain about
    status, body = response.status_code, transport.last_body
    codes = _codes(body)
    match status:
        case 429:
            reason = Reason.THROTTLED
        case 503:
            reason = Reason.MAINTENANCE
        case 500:
            reason = Reason.SERVER_ERROR
        case 413 | 414:
            return DSInvalidResponse(Reason.TOO_LARGE, http_status=status)
        case 408 | 504:
            reason = Reason.TIMEOUT
        case _ if status > 500:
            reason = Reason.GATEWAY
        case 401 if codes == {"unauthorized"}:
            return DSAccessDenied(Reason.TOKEN_EXPIRED, http_status=status)
        case 403 if codes == {"forbidden"}:
            return DSAccessDenied(Reason.TOKEN_REFUSED, http_status=status)
        case 401 | 403 | 407:
            return DSInvalidResponse(Reason.BLOCKED, http_status=status)
        case _ if 300 <= status < 400:
            return DSInvalidResponse(Reason.REDIRECT, http_status=status)
        case 400 | 422 if codes:
            return DSInvalidResponse(Reason.QUERY_REFUSED, http_status=status)
        case 200:
            return _query_failure(body, codes)
        case _:
            return DSInvalidResponse(Reason.NOT_THE_API, http_status=status)
    return DSUnavailable(reason, http_status=status, retry_after=_retry_after(response))


def _failures_by_alias(transport: BoundedTransport) -> dict[int, DSError]:
    """What failed in an answer to `get_dossiers`, by rank, where the errors name it; else nothing.

    A time-out names whatever was under way, which need not be what takes long.
    """
    response, body = transport.last_response, transport.last_body
    if response is None or response.status_code != 200 or body is None:
        return {}
    codes = _codes(body)
    if not codes or codes & {"", "timeout", "internal_server_error"} or "data" not in body:
        return {}
    by_rank: dict[int, list[Any]] = {}
    for error in body["errors"]:
        path = error.get("path")
        alias = path[0] if isinstance(path, list) and path else None
        if not isinstance(alias, str) or not re.fullmatch(r"d[0-9]{1,4}", alias):
            return {}
        by_rank.setdefault(int(alias[1:]), []).append(error | {"path": ["dossier", *path[1:]]})
    return {
        rank: _query_failure({"errors": errors, "data": None}, _codes({"errors": errors}))
        for rank, errors in by_rank.items()
    }


def _query_failure(body: dict[str, Any] | None, codes: set[str]) -> DSError:
    """What HTTP 200 hides: the code decides, and an unknown one is never an absence."""
    if body is None or not body.keys() & {"errors", "data"}:
        return DSInvalidResponse(Reason.NOT_THE_API, http_status=200)
    known = " ".join(sorted(codes))
    if codes == {"not_found"} and _is_about_the_dossier(body):
        return DossierNotFound(http_status=200)
    if codes == {"unauthorized"} and body.get("data") is None:
        return DSAccessDenied(Reason.NO_RIGHT, http_status=200)
    if "timeout" in codes:
        return DSUnavailable(Reason.QUERY_TIMEOUT, http_status=200)
    if "internal_server_error" in codes:
        return DSUnavailable(Reason.SERVER_ERROR, http_status=200)
    if "data" not in body:
        # Only a document that was never executed has none (GraphQL specification, 7.1).
        return DSInvalidResponse(Reason.QUERY_REFUSED, http_status=200, detail=known)
    return DSInvalidResponse(Reason.UNEXPECTED, http_status=200, detail=known)


def _is_about_the_dossier(body: dict[str, Any]) -> bool:
    """Whether what was not found is the dossier itself, and nothing came beside the error."""
    paths = [error.get("path") for error in body["errors"]]
    return body.get("data", "") is None and all(path == ["dossier"] for path in paths)


def _codes(body: dict[str, Any] | None) -> set[str]:
    """The `extensions.code` of the root errors; "" stands for an error without one."""
    errors = body.get("errors") if body else None
    if not isinstance(errors, list):
        return set()
    codes = set()
    for error in errors:
        extensions = error.get("extensions") if isinstance(error, dict) else None
        code = extensions.get("code") if isinstance(extensions, dict) else None
        # What has not the look of a code may be anything, and would end in our logs.
        codes.add(code if isinstance(code, str) and re.fullmatch(r"\w{1,60}", code) else "")
    return codes


def _retry_after(response: requests.Response) -> float | None:
    """Seconds to wait: `Retry-After` (seconds or a date), else the platform's `RateLimit-Reset`.

    That one is a moment, in seconds since 1970, read against the server's own clock if it gives
    it; the IETF's draft of the same header counts from now, in small numbers.
    """
    now = _moment(response.headers.get("Date")) or time.time()
    if (asked := response.headers.get("Retry-After")) is not None:
        if _SECONDS.fullmatch(asked.strip()):
            return float(asked)
        moment = _moment(asked)
        return None if moment is None else max(0.0, moment - now)
    reset = response.headers.get("RateLimit-Reset", "").strip()
    if not _SECONDS.fullmatch(reset):
        return None
    is_a_moment = float(reset) > 1_000_000_000
    return max(0.0, float(reset) - now) if is_a_moment else float(reset)


def _moment(text: str | None) -> float | None:
    """The seconds since 1970 of an HTTP date."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
