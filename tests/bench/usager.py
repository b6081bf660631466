"""How long an answer of the usager's form takes, whatever was typed.

200 requests of each kind, in turn, so that the machine's moods touch all of them; each comes from a
network of its own, and its work is done between two of them, in the process's own threads.
"""

import os
import statistics
import time
from itertools import count

KINDS = ("known", "wrong address", "unknown number")
TURNS = 200


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.core.cache import cache
    from django.db import connection
    from django.test import Client
    from django.test.utils import override_settings, setup_test_environment
    from django.utils import timezone

    from dsintegration import background
    from dsintegration.sandbox import TOKEN, Sandbox

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0)
    from tests.factories import DossierFactory

    usager, networks, sandbox = "usager@example.org", count(), Sandbox()
    for number in range(1, TURNS + 2):
        DossierFactory(number=number, usager_email=usager, fetched_at=timezone.now())
    forms = {
        KINDS[0]: lambda turn: {"number": turn + 1, "email": usager},
        KINDS[1]: lambda turn: {"number": turn + 1, "email": "another@example.org"},
        KINDS[2]: lambda turn: {"number": 900_000 + turn, "email": usager},
    }
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with override_settings(DS_API_URL=sandbox.url, DS_API_TOKEN=TOKEN):
        for turn in range(TURNS + 1):
            for rank in range(len(KINDS)):
                kind = KINDS[(turn + rank) % len(KINDS)]
                network, client = next(networks), Client()
                address = f"10.{network >> 16}.{network >> 8 & 255}.{network & 255}"
                started = time.perf_counter()
                response = client.post("/suivi/", forms[kind](turn), REMOTE_ADDR=address)
                took[kind].append(time.perf_counter() - started)
                assert response.status_code == 302
                background.pool.close()
                background.calls.close()
                background.pool, background.calls = background.Pool(), background.Pool()
            cache.delete_many([key for key in cache._cache if "unknown_numbers" in key])
    print(f"The form's answer, {TURNS} of each kind: median, 10th and 90th percentile")
    for kind in KINDS:
        times = sorted(took[kind][1:])  # the first one imports
        low, high = times[len(times) // 10], times[len(times) * 9 // 10]
        middle = statistics.median(times)
        print(f"    {kind:15} {middle * 1000:6.2f} ms   {low * 1000:6.2f}   {high * 1000:6.2f}")
    sandbox.close()
    connection.creation.destroy_test_db("", verbosity=0)


if __name__ == "__main__":
    main()
