"""The tasks of Celery: by themselves, and over a real Redis (`make test-services`)."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.exceptions import Retry
from django.core import mail
from django.db import OperationalError, connections
from django.utils import timezone
from redis import Redis

from config.celery import app
from dsintegration import tasks
from dsintegration.background import PAUSES, TryAgain, hand_over
from dsintegration.exceptions import DossierNotFound, DSUnavailable
from dsintegration.hosting.logs import JsonFormatter
from dsintegration.models import (
    Dossier,
    Message,
    Platform,
    PurgedDossier,
    RefreshTurn,
    UsagerAccess,
)
from dsintegration.sandbox import Reply
from tests.factories import DossierFactory, dossier_answer, message_answer
from tests.processes import PROJECT, environment
from tests.settings import EMPTY

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER, USAGER = 70_000, "usager@example.org"
DEAD = "redis://127.0.0.1:9/0"  # nobody listens there


@pytest.fixture
def platform(sandbox):
    """NUMBER as the platform has it."""
    sandbox.dossiers[NUMBER] = dossier_answer(NUMBER, messages=[message_answer("m1")])
    return sandbox


def run(task, *args, retries=0):
    """The task as a worker runs it, once; raises Retry where it is to run again."""
    task.push_request(args=args, retries=retries, called_directly=False, is_eager=False)
    try:
        return task.run(*args)
    finally:
        task.pop_request()


@pytest.fixture
def sent(monkeypatch) -> list[dict]:
    """What would go to the broker."""
    options: list[dict] = []
    monkeypatch.setattr(
        "celery.app.task.Task.apply_async",
        lambda task, args=(), kwargs=None, **more: options.append({"args": args} | more),
    )
    return options


class TestFetch:
    def test_it_fetches(self, platform):
        run(tasks.fetch_dossier, NUMBER)
        assert Dossier.objects.get().number == NUMBER

    def test_while_the_platform_is_down_it_is_put_back(self, platform, sent):
        platform.replies[NUMBER] = Reply(429, headers={"Retry-After": "100"})
        with pytest.raises(Retry):
            run(tasks.fetch_dossier, NUMBER)
        assert 99 <= sent[0]["countdown"] <= 100

    @pytest.mark.parametrize(("retries", "wait"), [(0, 15), (1, 30), (4, 240)])
    def test_without_a_word_on_when_it_waits_longer_each_time(self, platform, sent, retries, wait):
        platform.replies[NUMBER] = Reply(503)
        with pytest.raises(Retry):
            run(tasks.fetch_dossier, NUMBER, retries=retries)
        assert sent[0]["countdown"] == wait

    def test_never_longer_than_the_broker_keeps_it_for_one_worker(self, platform, sent):
        platform.replies[NUMBER] = Reply(503, headers={"Retry-After": "3000"})
        with pytest.raises(Retry):
            run(tasks.fetch_dossier, NUMBER)
        assert sent[0]["countdown"] == tasks.LONGEST_WAIT

    def test_it_gives_up_in_the_end(self, platform, sent):
        platform.replies[NUMBER] = Reply(503)
        with pytest.raises(DSUnavailable):
            run(tasks.fetch_dossier, NUMBER, retries=tasks.FETCH_TRIES - 1)
        assert sent == []

    def test_while_the_database_is_gone_it_is_put_back(self, platform, sent, monkeypatch):
        def gone(*_, **__):
            raise OperationalError("connection refused")

        monkeypatch.setattr("dsintegration.services.store", gone)
        with pytest.raises(Retry):
            run(tasks.fetch_dossier, NUMBER, retries=1)
        assert sent[0]["countdown"] == 30
        with pytest.raises(OperationalError):
            run(tasks.fetch_dossier, NUMBER, retries=tasks.FETCH_TRIES - 1)

    def test_a_dossier_that_is_gone_is_noted_and_done_with(self, sandbox, sent):
        DossierFactory(number=404)
        with pytest.raises(DossierNotFound):
            run(tasks.fetch_dossier, 404)
        assert sent == []
        assert Dossier.objects.get().absent_since


class TestRefresh:
    def test_it_refreshes_what_is_due(self, platform, logs):
        then = timezone.now() - timedelta(hours=2)
        DossierFactory(number=NUMBER, fetched_at=then, checked_at=then)
        run(tasks.refresh_dossiers)
        assert Dossier.objects.get().checked_at > then
        assert "refresh_dossiers done fetched=1 changed=1 checked=0" in logs.text
        [told] = [row for row in logs.records if row.message.startswith("refresh_dossiers done")]
        assert json.loads(JsonFormatter().format(told))["counts"]["fetched"] == 1
        row = Platform.objects.get()  # by which check_fresh sees that refreshes run
        assert (bool(row.refreshed_at), row.fully_refreshed_at) == (True, None)

    def test_full(self, platform):
        then = timezone.now() - timedelta(hours=13)
        DossierFactory(number=NUMBER, fetched_at=then, checked_at=timezone.now())
        tasks.refresh_dossiers(full=True, older_than=12 * 3600)
        assert Dossier.objects.get().fetched_at > then
        assert Platform.objects.get().fully_refreshed_at

    def test_a_refused_token_is_an_error_in_the_logs(self, platform, logs, settings):
        settings.DS_API_TOKEN = "b" * 84
        then = timezone.now() - timedelta(hours=2)
        DossierFactory(number=NUMBER, fetched_at=then, checked_at=then)
        tasks.refresh_dossiers()
        [line] = [record for record in logs.records if record.levelname == "ERROR"]
        assert "ended early, upstream_access_denied (token_refused)" in line.getMessage()

    def test_one_at_a_time(self, platform, monkeypatch, logs):
        then = timezone.now() - timedelta(hours=2)
        DossierFactory(number=NUMBER, checked_at=then)
        whole = platform.answer

        def meanwhile(request):
            tasks.refresh_dossiers()
            connections.close_all()
            return whole(request)

        monkeypatch.setattr(platform, "answer", meanwhile)
        tasks.refresh_dossiers()
        assert "refresh_dossiers already_running" in logs.text
        assert len(platform.received) == 1

    @pytest.mark.parametrize("full", [False, True])
    def test_given_twice_then_its_machine_is_lost(self, platform, logs, full):
        """The copy is done with at once; the next one of the schedule takes the work up."""
        then = timezone.now() - timedelta(hours=2)
        DossierFactory(number=NUMBER, fetched_at=then, checked_at=then)
        now = timezone.now()
        turn = RefreshTurn.objects.create(
            holder="another/1/x", is_full=full, ends_at=now + timedelta(minutes=9)
        )
        run(tasks.refresh_dossiers)  # the copy: acknowledged
        assert "refresh_dossiers already_running" in logs.text
        assert not platform.received
        turn.ends_at = now - timedelta(seconds=1)  # nobody moved it on
        turn.save()
        tasks.refresh_dossiers(full=full)
        assert Dossier.objects.get().fetched_at > then


class TestPurge:
    def test_it_purges_what_is_due(self, db, logs):
        DossierFactory(number=1, erased_at=timezone.now())
        DossierFactory(number=2)
        run(tasks.purge_dossiers)
        assert [dossier.number for dossier in Dossier.objects.all()] == [2]
        assert PurgedDossier.objects.get().number == 1


@pytest.fixture
def broker(monkeypatch):
    """Has this process hand its tasks over to a broker."""

    def use(url):
        for name in ("broker_url", "broker_write_url", "broker_read_url"):
            monkeypatch.setattr(app.conf, name, url)
        app._after_fork()  # forgets the connections

    yield use
    app._after_fork()


class TestUsager:
    @pytest.fixture
    def asked(self, client, broker, sent):
        """What a request for a link gives to the broker."""
        broker(DEAD)

        def ask():
            response = client.post("/suivi/", {"number": NUMBER, "email": USAGER})
            assert response.status_code == 302
            return sent[-1]["args"]

        return ask

    def test_the_request_goes_to_a_worker_and_names_nobody(self, asked, later, platform):
        args = asked()
        assert later.left == []
        assert USAGER not in repr(args)
        run(tasks.answer_usager, *args)
        assert [message.to for message in mail.outbox] == [[USAGER]]

    def test_a_mail_that_could_not_be_sent_is_tried_again(
        self, asked, sent, platform, settings, monkeypatch
    ):
        args = asked()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
        for retries, pause in enumerate(PAUSES):
            sent.clear()
            with pytest.raises(Retry):
                run(tasks.answer_usager, *args, retries=retries)
            assert sent[0]["countdown"] == pause
        with pytest.raises(TryAgain):
            run(tasks.answer_usager, *args, retries=len(PAUSES))

    def test_without_its_broker_the_process_does_it_itself(
        self, client, broker, later, platform, logs
    ):
        broker(DEAD)
        response = client.post("/suivi/", {"number": NUMBER, "email": USAGER})
        assert response.status_code == 302
        assert "the broker takes nothing: ConnectionError" in logs.text
        assert USAGER not in logs.text
        later.run()
        assert [message.to for message in mail.outbox] == [[USAGER]]


class TestStart:
    def run(self, *arguments, url):
        environment = {"PATH": os.environ["PATH"], "SECRET_KEY": "x" * 50, "CELERY_BROKER_URL": url}
        return subprocess.run(
            [sys.executable, "-W", "ignore", *arguments],
            cwd=PROJECT,
            env=EMPTY | environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    @pytest.mark.parametrize("what", ["worker", "beat"])
    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            (
                "",
                "CELERY_BROKER_URL manque : l'adresse d'un Redis, comme redis://serveur:6379/1, ou "
                "d'un RabbitMQ, comme amqp://compte:mot-de-passe@serveur:5672/hote.\n",
            ),
            (
                "sqs://account:secret@example.org",
                "CELERY_BROKER_URL doit être une adresse comme redis://serveur:6379/1 ou "
                "amqp://compte:mot-de-passe@serveur:5672/hote.\n",
            ),
        ],
    )
    def test_a_wrong_broker_is_one_sentence(self, what, url, sentence):
        run = self.run("-m", "celery", "-A", "config.celery", what, url=url)
        assert (run.returncode, run.stdout, run.stderr) == (7, "", sentence)

    @pytest.mark.parametrize(("url", "is_imported"), [("", False), (DEAD, True)])
    def test_nothing_imports_celery_without_a_broker(self, url, is_imported):
        program = "import sys, config.wsgi, config.urls; print('celery' in sys.modules)"
        run = self.run("-c", program, url=url)
        assert run.stdout == f"{is_imported}\n", run.stderr

    def test_what_the_schedule_names_is_there(self):
        """Each entry of beat, with what it gives, is a task that takes it."""
        program = (
            "import inspect; from config.celery import app; from django.conf import settings\n"
            "app.loader.import_default_modules()\n"
            "for entry in settings.CELERY_BEAT_SCHEDULE.values():\n"
            "    inspect.signature(app.tasks[entry['task']].run).bind(**entry.get('kwargs', {}))\n"
            "    print(entry['task'])"
        )
        run = self.run("-c", program, url=DEAD)
        names = ["refresh_dossiers", "refresh_dossiers", "purge_dossiers"]
        assert run.stdout.split() == [f"dsintegration.{name}" for name in names], run.stderr


BROKER = os.environ.get("REDIS_URL", "")


@pytest.mark.skipif(not BROKER, reason="needs a Redis of its own: make test-services")
class TestOverRedis:
    """Workers in processes of their own, on the database of the test."""

    @pytest.fixture(autouse=True)
    def redis(self, broker):
        broker(BROKER)
        with Redis.from_url(BROKER) as redis:
            redis.flushdb()  # other processes of the tests have theirs
            yield redis
            redis.flushdb()

    @pytest.fixture
    def start_worker(self, sandbox, tmp_path):
        """Starts one; it is killed in the end. Its output is in the file `log`."""
        started = []

        def start(log="worker.log", **more):
            with (tmp_path / log).open("w") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "celery", "-A", "tests.worker", "worker", "-c", "1"],
                    cwd=PROJECT,
                    env=environment(
                        sandbox,
                        CELERY_BROKER_URL=BROKER,
                        DEBUG="1",
                        EMAIL_URL=f"filemail:///{tmp_path / 'mails'}",
                        **more,
                    ),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            started.append(process)
            return process

        yield start
        for process in started:
            kill(process)

    @pytest.fixture
    def silent(self, platform, monkeypatch):
        """The platform answers nothing, until `ended`; `asked` once it was asked."""
        whole, state = platform.answer, SimpleNamespace(asked=threading.Event())
        state.ended = threading.Event()

        def answer(request):
            state.asked.set()
            return whole(request) if state.ended.wait(60) else Reply(503)

        monkeypatch.setattr(platform, "answer", answer)
        yield state
        state.ended.set()

    def test_a_task_is_done(self, platform, start_worker, redis, tmp_path):
        start_worker()
        assert hand_over("dsintegration.fetch_dossier", NUMBER)
        wait_until(Dossier.objects.exists)
        wait_until(lambda: not redis.exists("unacked"))

    @pytest.mark.parametrize(
        ("changed", "named"),
        [({"SECRET_KEY": "another-key"}, "SECRET_KEY"), ({"DS_API_TOKEN": "x"}, "DS_API_TOKEN")],
    )
    def test_a_worker_that_was_forgotten_says_so(
        self, platform, start_worker, redis, tmp_path, changed, named
    ):
        start_worker(**changed)
        assert hand_over("dsintegration.purge_dossiers")
        log = tmp_path / "worker.log"
        wait_until(
            lambda: f"{named} of this process is not that of whoever asks" in log.read_text()
        )

    def test_the_task_of_a_killed_worker_is_done_by_the_next_one(
        self, platform, silent, start_worker, redis
    ):
        """Killed between the question and the answer: nothing half done, nothing lost."""
        first = start_worker()
        assert hand_over("dsintegration.fetch_dossier", NUMBER)
        assert silent.asked.wait(60)
        kill(first)
        assert redis.exists("unacked")
        assert not Dossier.objects.exists()
        silent.ended.set()
        start_worker("second.log")
        wait_until(Dossier.objects.exists)
        wait_until(lambda: not redis.exists("unacked"))
        assert Message.objects.count() == 1

    def test_a_killed_child_is_replaced_and_its_task_done(
        self, platform, silent, start_worker, redis
    ):
        worker = start_worker()
        assert hand_over("dsintegration.fetch_dossier", NUMBER)
        assert silent.asked.wait(60)
        silent.ended.set()
        [child] = children(worker.pid)
        os.kill(child, signal.SIGKILL)
        wait_until(Dossier.objects.exists)
        wait_until(lambda: not redis.exists("unacked"))

    def test_a_refresh_that_was_killed_leaves_no_lock(self, platform, silent, start_worker, redis):
        then = timezone.now() - timedelta(hours=2)
        DossierFactory(number=NUMBER, fetched_at=then, checked_at=then)
        first = start_worker()
        assert hand_over("dsintegration.refresh_dossiers")
        assert silent.asked.wait(60)
        kill(first)
        silent.ended.set()
        start_worker("second.log")
        wait_until(lambda: Dossier.objects.get().fetched_at > then)
        wait_until(lambda: not redis.exists("unacked"))

    def test_the_link_of_a_usager(self, platform, client, start_worker, later, tmp_path):
        """From the form to the mail; what the queue held on the way named nobody."""
        with Redis.from_url(BROKER) as redis:
            client.post("/suivi/", {"number": NUMBER, "email": USAGER})
            [task] = redis.lrange("celery", 0, -1)
            assert str(NUMBER) in base64.b64decode(json.loads(task)["body"]).decode()
            assert USAGER not in base64.b64decode(json.loads(task)["body"]).decode()
            assert USAGER.encode() not in task
        start_worker()
        wait_until(UsagerAccess.objects.exists)
        [mailed] = wait_until(lambda: list((tmp_path / "mails").glob("*")))
        wait_until(lambda: f"To: {USAGER}" in mailed.read_text())
        assert later.left == []


def wait_until(holds, seconds=90):
    end = time.monotonic() + seconds
    while not (held := holds()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)
    return held


def kill(process):
    """The worker and its children at once, as when their machine is lost."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
