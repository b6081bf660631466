"""What our requests to the platform cost, and the one line of the logs that tells it.

The line has its parts as fields too, for whoever counts (hosting/logs.py writes them as JSON).
"""

import logging
import time
from dataclasses import dataclass

from dsintegration.platform.client import Client

logger = logging.getLogger("dsintegration.fetch")


@dataclass(frozen=True)
class Cost:
    """Requests that were sent, retries included, and seconds."""

    requests: int
    seconds: float


class Meter:
    """What a client costs in this thread, from one reading to the next."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._at, self._sent = time.monotonic(), client.requests_here

    def read(self) -> Cost:
        """The cost since the last reading."""
        now, sent = time.monotonic(), self._client.requests_here
        cost = Cost(sent - self._sent, now - self._at)
        self._at, self._sent = now, sent
        return cost


def log_fetch(
    operation: str, outcome: str, cost: Cost, *, reason: str = "", **of_what: int | None
) -> None:
    """Write the line. `of_what`: the `number` of a dossier, or of a `demarche`."""
    fields = {
        **of_what,
        "operation": operation,
        "outcome": outcome,
        "reason": reason,
        "duration": round(cost.seconds, 3),
        "requests": cost.requests,
    }
    words = [operation, *of_what.values(), outcome, reason]
    logger.info(
        "%s %.3f s", " ".join(str(word) for word in words if word), cost.seconds, extra=fields
    )
