"""The queue of the project's Celery app, for those who cannot wait for its broker.

A connection of its own each time, that gives up soon: whatever the project's options are, a broker
that accepts and is silent costs one page two seconds, and then, for half a minute, nobody.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dsintegration.secret_keys import HEADER, settings_mark

# Seconds, for each step.
PATIENCE = 2
# Redis, then RabbitMQ; none is tried twice.
OPTIONS = {
    "socket_connect_timeout": PATIENCE,
    "socket_timeout": PATIENCE,
    "read_timeout": PATIENCE,
    "write_timeout": PATIENCE,
    "max_retries": 0,
}
# How long one that failed is left alone.
PAUSE = 30.0

now = time.monotonic
_down_until = 0.0


class BrokerIsDown(Exception):
    """It does not answer, or not in time; or it did not, a moment ago."""


def celery_app() -> Any:
    """The project's, or None if it has none."""
    # Whoever has a Celery app has imported it by now; nobody else is to pay for that import.
    celery = sys.modules.get("celery")
    app = celery and celery.current_app
    return app if app and (app.conf.broker_url or app.conf.task_always_eager) else None


def put(app: Any, task: str, *args: object) -> None:
    """Put a task into the queue. Raises BrokerIsDown."""
    task_of = app.signature(task, args)
    if app.conf.task_always_eager:
        task_of.apply_async()
        return
    with _connected(app) as broker:
        task_of.apply_async(connection=broker, retry=False, headers={HEADER: settings_mark()})


def length(app: Any) -> int:
    """How many tasks wait for a worker. Raises BrokerIsDown."""
    with _connected(app) as broker:
        try:
            found = broker.default_channel.queue_declare(app.conf.task_default_queue, passive=True)
        except broker.channel_errors:  # no task was ever put there, or on Redis none is left
            return 0
        return int(found.message_count)


@contextmanager
def _connected(app: Any) -> Iterator[Any]:
    global _down_until
    if now() < _down_until:
        raise BrokerIsDown("left alone")
    from kombu.exceptions import OperationalError

    broker = app.connection_for_write(connect_timeout=PATIENCE, transport_options=OPTIONS)
    try:
        with broker:
            yield broker
    except (OperationalError, *broker.connection_errors, OSError) as err:
        _down_until = now() + PAUSE
        # Its words may hold the address, and in it the password.
        raise BrokerIsDown(type(err.__cause__ or err).__name__) from None
