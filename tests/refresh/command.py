"""The command, what it asked for, and a platform that moves."""

import io
from datetime import UTC, datetime

from django.core.management import CommandError, call_command

from dsintegration.platform.documents import GET_DELETED, GET_MOVED, GET_MOVED_WHOLE, GET_PENDING

FIRST = 70_000  # beyond the numbers that the sandbox gives a meaning


def change(sandbox, number, **fields):
    """The platform's dossier moves now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    sandbox.dossiers[number] |= {"dateDerniereModification": now, "state": "accepte"} | fields


class Run:
    def __init__(self, *words: str) -> None:
        out, err = io.StringIO(), io.StringIO()
        self.status = 0
        try:
            call_command("refresh_dossiers", *words, stdout=out, stderr=err)
        except CommandError as error:
            self.status = error.returncode
            err.write(str(error))
        self.out, self.err = out.getvalue(), err.getvalue()


LISTS = {GET_MOVED.text, GET_MOVED_WHOLE.text, GET_PENDING.text, GET_DELETED.text}


def lists_asked(sandbox, *documents) -> list[dict]:
    texts = {document.text for document in documents} or LISTS
    return [
        request.body["variables"] for request in sandbox.received if request.body["query"] in texts
    ]


def numbers_asked(sandbox) -> set[int]:
    return {
        number
        for request in sandbox.received
        if request.body["query"] not in LISTS
        for number in request.body["variables"].values()
    }
