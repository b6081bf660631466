"""What the tests' workers are started with: a broker that gives a lost task out again soon."""

from config.celery import app

__all__ = ["app"]

app.conf.broker_transport_options |= {"visibility_timeout": 1}
