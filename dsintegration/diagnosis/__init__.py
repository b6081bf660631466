"""Whether the platform can be used from here, one small check after the other (`check_ds`).

Each check says what was seen and, where it fails, what to do. Two requests at most: whether the
token is accepted is asked with the number of a dossier, since an introspection, which the platform
answers to anyone, proves nothing about a token. Nothing is stored, no database is asked.
"""

from collections.abc import Collection, Iterator

from django.core.exceptions import ImproperlyConfigured

from dsintegration.diagnosis.finding import Check, Finding, ask
from dsintegration.diagnosis.rights import (
    check_dossier,
    check_rate,
    check_schema,
    check_token,
    is_worth_an_introspection,
)
from dsintegration.diagnosis.settings import check_settings, open_client
from dsintegration.diagnosis.way import check_answer, check_clock, check_connection, check_tls
from dsintegration.numbers import MAX_NUMBER
from dsintegration.platform.documents import GET_RIGHT, GET_SCHEMA

__all__ = ["Check", "Finding", "diagnose"]


def diagnose(number: int | None, known_states: Collection[str]) -> Iterator[Finding]:
    """A finding for each check, in the order of `Check`, as soon as it is made.

    `number`: a dossier that the token should be allowed to read. `known_states`: the états that
    the database has a name for.
    """
    made = set[Check]()
    for finding in _findings(number, known_states):
        made.add(finding.check)
        yield finding
    for check in Check:
        if check not in made:
            yield Finding(check, None, "pas de vérification, à cause de ce qui précède.")


def _findings(number: int | None, known_states: Collection[str]) -> Iterator[Finding]:
    try:
        client = open_client()
    except ImproperlyConfigured as err:
        yield Finding(Check.SETTINGS, False, str(err), ImproperlyConfigured)
        return
    try:
        yield check_settings()
        # The platform's numbers are far from this one, which any token may ask for.
        first = ask(client, GET_RIGHT.with_variables(number=number or MAX_NUMBER))
        for check in (check_connection, check_tls):
            yield (finding := check(client, first))
            if finding.ok is False:
                return
        yield (finding := check_answer(client, first, number))
        if not finding.ok:
            return
        second = ask(client, GET_SCHEMA) if is_worth_an_introspection(first) else None
        yield check_token(first, second)
        yield check_clock(first, second)
        yield check_schema(first, second, known_states)
        yield check_dossier(first, number)
        yield check_rate(second or first)
    finally:
        client.close()
