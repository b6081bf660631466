"""Whatever happens there, and whatever we do meanwhile: when the platform rests and a day of
refreshes has passed, the mirror is the platform's.

`SEQUENCES=2000 pytest tests/refresh/test_property.py` plays so many, by their seeds; SEED is the
first of them.
"""

import os

import pytest
from django.core.cache import cache

from tests.refresh.world import BACKUPS, World, play

SEQUENCES = int(os.environ.get("SEQUENCES") or 8)
SEED = int(os.environ.get("SEED") or 0)


@pytest.fixture
def world(sandbox, settings, monkeypatch):
    settings.DS_IN_FLIGHT = 2
    settings.DS_PURGE_ABSENT_AFTER, settings.DS_PURGE_EXPIRED_AFTER = "90d", "30d"
    monkeypatch.setattr("dsintegration.refresh.WORTH_A_LIST", 1)
    monkeypatch.setattr("dsintegration.platform.client.wait_for_turn", lambda *_: None)
    monkeypatch.setattr("dsintegration.platform.client.count_request", lambda *_: None)
    cache.clear()
    sandbox.dossiers, sandbox.replies = {}, {}
    world = World(sandbox)
    monkeypatch.setattr("django.utils.timezone.now", world.our_now)
    sandbox.now = lambda: world.now
    return world


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(SEED, SEED + SEQUENCES))
def test_any_life(world, seed):
    play(world, seed)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(SEED, SEED + SEQUENCES // 4))
def test_with_backups_that_are_restored(world, seed):
    play(world, seed, BACKUPS)
