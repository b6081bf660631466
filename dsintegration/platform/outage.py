"""Whether the platform is down, or only what was asked of it: what the requests of one run tell.

A request that fails is no proof: the dossier, or the démarche, may be its cause. Several in a row
are a suspicion; then the least that can be asked decides.
"""

import threading

from dsintegration.exceptions import DSAccessDenied, DSError, Reason
from dsintegration.platform.client import Client

# Calls in a row, each with its retries. With those under way, and the last question, a platform
# that is down costs thirty requests.
IN_A_ROW = 5
# Dossiers of one run that fail by themselves: beyond, what is left is for the next run.
AT_MOST = 200

# No part of the request is its cause: all others would meet it.
OF_ALL = {
    Reason.THROTTLED,
    Reason.MAINTENANCE,
    Reason.CERTIFICATE,
    Reason.REDIRECT,
    Reason.TOKEN_EXPIRED,
    Reason.TOKEN_REFUSED,
}


# The platform looked, and said so.
ANSWERED = {Reason.NO_RIGHT, Reason.UNKNOWN, Reason.UNKNOWN_DEMARCHE}


class Outage:
    """Of one run; threads share it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._lone = self._in_a_row = 0
        self.stopped_by: DSError | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be asked in this run."""
        return self.stopped_by is not None

    @property
    def is_suspected(self) -> bool:
        """Whether the last call failed: until one succeeds, they go one at a time."""
        return self._in_a_row > 0

    def note_success(self) -> None:
        with self._lock:
            self._in_a_row = 0

    def note_failure(self, err: DSError) -> None:
        """Raise nothing: `is_over` tells."""
        if isinstance(err, DSAccessDenied) and err.stops_batch:
            self.stopped_by = err
            return
        if err.reason in ANSWERED:
            self.note_success()
            return
        with self._lock:
            self._in_a_row += 1
            is_suspect = self._in_a_row >= IN_A_ROW
        if is_suspect and (err.reason in OF_ALL or not self.probe()):
            self.stopped_by = err

    def note_lone_failure(self, err: DSError) -> None:
        """That of one dossier, which is its own."""
        with self._lock:
            self._in_a_row = 0
            self._lone += err.reason not in ANSWERED
            if self._lone >= AT_MOST:
                self.stopped_by = err

    def probe(self) -> bool:
        """Ask whether the platform answers at all."""
        if not self._client.answers():
            return False
        self.note_success()
        return True

    def is_of_one(self, err: DSError) -> bool:
        """Whether what one dossier met, asked alone, is its own: if the platform answers others."""
        if err.reason is Reason.QUERY_REFUSED:
            self.stopped_by = err  # what is refused of one alone is our document
        if err.concerns_dossier and err.reason is not Reason.SERVER_ERROR:
            return True
        return err.reason not in OF_ALL and not self.is_over and self.probe()
