"""The project's own Celery app; of ours it takes the tasks and their schedule."""

import os

from celery import Celery

from dsintegration.tasks import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "si.settings")
app = Celery("si")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {**SCHEDULE}
