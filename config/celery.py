"""The task queue, where several machines share the work: CELERY_BROKER_URL.

`celery -A config.celery worker` on each of them; `celery -A config.celery beat` on one.
"""

import os
import sys

from celery import Celery
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from manage import SETTINGS_ARE_WRONG

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["dsintegration"])

# Our settings import this too; then they are being read. Otherwise a command of Celery does.
if os.environ["DJANGO_SETTINGS_MODULE"] not in sys.modules:
    try:
        if not settings.CELERY_BROKER_URL:  # Celery would look for one of its own choice, for ever
            raise ImproperlyConfigured(
                "CELERY_BROKER_URL manque : l'adresse d'un Redis, comme redis://serveur:6379/1, ou "
                "d'un RabbitMQ, comme amqp://compte:mot-de-passe@serveur:5672/hote."
            )
        folder = os.environ.get("STATE_DIRECTORY")
        if folder and not os.access(folder, os.W_OK | os.X_OK):  # beat would say so in 1,283 lines
            raise ImproperlyConfigured(
                "STATE_DIRECTORY ne peut pas être écrit par ce compte : StateDirectory= de "
                "l'unité systemd le crée."
            )
    except ImproperlyConfigured as err:
        sys.stderr.write(f"{err}\n")
        sys.exit(SETTINGS_ARE_WRONG)
