"""What each failure means: from an exception of the network or an answer to a DSError.

Failures are told apart on the HTTP status and `extensions.code`, never on the text of a message,
which changes. Nothing of an answer goes into an exception: its texts may name people.
"""

import re
import ssl
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from gql.transport.exceptions import TransportConnectionFailed
from urllib3.exceptions import ReadTimeoutError

from dsintegration.exceptions import (
    DemarcheNotFound,
    DossierNotFound,
    DSAccessDenied,
    DSError,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.platform.sockets import seconds_left
from dsintegration.platform.transport import BodyTooLargeError, BoundedTransport

_SECONDS = re.compile(r"[0-9]{1,10}")
# Whoever obeys a longer one, for a clock that is wrong or a slip, would stop for good.
LONGEST_WAIT = 86_400.0


def network_failure(err: TransportConnectionFailed) -> DSError:
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


def answer_failure(transport: BoundedTransport) -> DSError:
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
    return DSUnavailable(reason, http_status=status, retry_after=retry_after(response))


def failures_by_alias(transport: BoundedTransport) -> dict[int, DSError]:
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
    if codes == {"not_found"} and body.get("data", "") is None:
        for kind, asked in ((DossierNotFound, "dossier"), (DemarcheNotFound, "demarche")):
            if _is_of(asked, body):
                return kind(http_status=200)
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


def _is_of(asked: str, body: dict[str, Any]) -> bool:
    """Whether the errors are of what was asked for itself, and not of something in it."""
    return all(error.get("path") == [asked] for error in body["errors"])


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


def retry_after(response: requests.Response) -> float | None:
    """Seconds to wait, a day at most; None where the answer does not say."""
    asked = _asked_wait(response)
    return None if asked is None else min(asked, LONGEST_WAIT)


def _asked_wait(response: requests.Response) -> float | None:
    """`Retry-After` (seconds or a date), else the platform's `RateLimit-Reset`.

    That one is a moment, in seconds since 1970, read against the server's own clock if it gives
    it; the IETF's draft of the same header counts from now, in small numbers.
    """
    now = http_moment(response.headers.get("Date")) or time.time()
    if (asked := response.headers.get("Retry-After")) is not None:
        if _SECONDS.fullmatch(asked.strip()):
            return float(asked)
        moment = http_moment(asked)
        return None if moment is None else max(0.0, moment - now)
    reset = response.headers.get("RateLimit-Reset", "").strip()
    if not _SECONDS.fullmatch(reset):
        return None
    is_a_moment = float(reset) > 1_000_000_000
    return max(0.0, float(reset) - now) if is_a_moment else float(reset)


def http_moment(text: str | None) -> float | None:
    """The seconds since 1970 of an HTTP date, in any of its three forms (RFC 9110, 5.6.7)."""
    try:
        moment = parsedate_to_datetime(text or "")
        # All are GMT; asctime's form does not say so.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # the latter: a year or an hour beyond any integer
        return None
