"""What the content of dossiers costs: one fetch with 30 champs over the same POST, and its SQL.

The answers are prepared in a process of their own (stub.py), which sends those of 0, 30 and 300
champs under the numbers 28 00 0000…, 28 01 0000…, 28 02 0000….
"""

import json
import os
import tempfile
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from tests.bench.__main__ import number, stub
from tests.bench.app import start
from tests.bench.clock import compare
from tests.bench.statements import count_statements

if TYPE_CHECKING:
    from dsintegration.payloads.selection import Selection

CHAMPS = (0, 30, 300)
SEARCHABLE = 10
TURNS = 300


def choose(champs: int) -> "Selection":
    """Have démarche 901 keep so many, ten of them searchable."""
    from dsintegration.mirror.choices import _seen_nothing
    from dsintegration.models import Demarche
    from dsintegration.payloads.selection import Selection

    ids = tuple(f"Champ-{rank}" for rank in range(champs))
    kept = Selection(champs=ids, all_champs=True)
    Demarche.objects.filter(number=901).update(
        selection=kept.as_json() | {"searchable": list(ids[:SEARCHABLE])}, selection_key=kept.key
    )
    _seen_nothing.clear()
    return kept


def bench(url: str) -> None:
    import requests
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from dsintegration.payloads.selection import NOTHING
    from dsintegration.platform.content import variables
    from dsintegration.platform.documents import get_dossier
    from dsintegration.services import fetch_dossier

    session = requests.Session()
    headers = {"Authorization": f"Bearer {os.environ['DS_API_TOKEN']}"}
    fetch_dossier(number(0, 9_998))  # its démarche

    def bare(dossier: int, selection: "Selection", text: str) -> None:
        body = {"query": text, "variables": {"number": dossier, **variables(selection)}}
        response = session.post(url, json=body, headers=headers, timeout=(5, 35))
        json.loads(response.text)

    print("(a) one fetch_dossier with its content over the same POST, bare")
    for kind, champs in enumerate(CHAMPS):
        chosen = choose(champs)
        alone, whole = (get_dossier(s).text for s in (NOTHING, chosen))
        for label in ("new", "unchanged"):
            ours, theirs = count(1), count(1)

            def fetch(kind: int = kind, label: str = label, ours: Iterator[int] = ours) -> None:
                fetch_dossier(number(kind, next(ours) if label == "new" else 1))

            def post(
                kind: int = kind,
                label: str = label,
                theirs: Iterator[int] = theirs,
                texts: tuple[str, str] = (alone, whole),
                chosen: "Selection" = chosen,
            ) -> None:
                dossier = number(kind, next(theirs))
                if label == "new":  # whose démarche is not known before: two requests
                    bare(dossier, NOTHING, texts[0])
                bare(dossier, chosen, texts[1])

            ratio = compare(fetch, post, TURNS)
            print(f"    {label:9} {champs:4} champs  {ratio}   at most 4.0")

    print("(b) SQL statements, without transaction control and journal")
    for kind, champs in enumerate(CHAMPS):
        choose(champs)
        for label in ("new", "unchanged"):
            with CaptureQueriesContext(connection) as captured:
                fetch_dossier(number(kind, 9_999))
            print(f"    {label:9} {champs:4} champs  {count_statements(captured)}   at most 8")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, stub(*(f"10:{n}" for n in CHAMPS)) as url:
        start(url, folder)
        bench(url)


if __name__ == "__main__":
    main()
