from datetime import UTC, datetime
from functools import partial

import pytest
from pydantic import ValidationError

from dsintegration.exceptions import DSInvalidResponse, Reason
from dsintegration.payloads.dossiers import (
    DossierPayload,
    parse_demarche,
    parse_dossier,
    parse_page,
)
from dsintegration.payloads.form import parse_form
from tests.factories import dossier_answer, file_answer, message_answer


def test_dates_become_utc():
    payload = parse_dossier(dossier_answer(1, dateDepot="2026-07-02T09:15:41+02:00"), 1)
    assert payload.date_depot == datetime(2026, 7, 2, 7, 15, 41, tzinfo=UTC)
    assert payload.date_depot.tzinfo is UTC


def test_what_pydantic_says_names_nobody():
    """Its own error may end in a log, by another way than ours."""
    with pytest.raises(ValidationError) as caught:
        DossierPayload.model_validate(dossier_answer(1, state=3, usager={"email": "a@example.org"}))
    assert "input_value" not in str(caught.value)
    assert "example.org" not in str(caught.value)


def test_growth_is_let_through():
    answer = dossier_answer(1, state="en_pause", labels=[{"name": "urgent"}])
    answer["usager"]["name"] = "Camille"
    assert parse_dossier(answer, 1).state == "en_pause"


@pytest.mark.parametrize("name", ["dateDepot", "datePassageEnConstruction"])
def test_dates_that_the_schema_may_give_up(name):
    parse_dossier(dossier_answer(1, **{name: None}), 1)


def without(name):
    answer = dossier_answer(1)
    del answer[name]
    return answer


REFUSED = {
    **{f"without {name}": without(name) for name in dossier_answer(1)},
    "number a text": dossier_answer(1, number="1"),
    "number a boolean": dossier_answer(1, number=True),
    "number too large": dossier_answer(1, number=2**31),
    "number zero": dossier_answer(1, number=0),
    "another number": dossier_answer(2),
    "state null": dossier_answer(1, state=None),
    "state empty": dossier_answer(1, state=""),
    "state too long": dossier_answer(1, state="e" * 256),
    "date not modified": dossier_answer(1, dateDerniereModification=None),
    "date a number": dossier_answer(1, dateDepot=1_700_000_000),
    "date a number in a text": dossier_answer(1, dateDepot="1700000000"),
    "date without offset": dossier_answer(1, dateDepot="2026-03-02T09:15:41"),
    "date without time": dossier_answer(1, dateDepot="2026-03-02"),
    "date out of range": dossier_answer(1, dateDepot="0001-01-01T00:00:00+01:00"),
    "date too far": dossier_answer(1, dateDepot="9999-12-31T23:59:59+00:00"),
    "date of no calendar": dossier_answer(1, dateDepot="2026-13-45T00:00:00+01:00"),
    "usager null": dossier_answer(1, usager=None),
    "usager without address": dossier_answer(1, usager={"id": "u"}),
    "usager without id": dossier_answer(1, usager={"email": "usager@example.org"}),
    "address too long": dossier_answer(1, usager={"id": "u", "email": "a" * 321}),
    "demarche a text": dossier_answer(1, demarche="7"),
    "demarche without number": dossier_answer(1, demarche={"id": "a", "title": "b"}),
    "demarche number zero": dossier_answer(1, demarche={"number": 0, "id": "a", "title": "b"}),
    "messages null": dossier_answer(1, messages=None),
    "a message null": dossier_answer(1, messages=[None]),
    "a body null": dossier_answer(1, messages=[message_answer("m", body=None)]),
    "discarded by a boolean": dossier_answer(1, messages=[message_answer("m", discardedAt=True)]),
    "message without discardedAt": dossier_answer(
        1, messages=[{k: v for k, v in message_answer("m").items() if k != "discardedAt"}]
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(DSInvalidResponse) as caught:
        parse_dossier(REFUSED[name], 1)
    assert caught.value.reason == Reason.UNEXPECTED
    assert caught.value.dossier_number == 1
    assert caught.value.detail


def test_errors_name_places_and_never_values():
    answer = dossier_answer(1, state=["camille@example.org"], dateDepot="camille@example.org")
    with pytest.raises(DSInvalidResponse) as caught:
        parse_dossier(answer, 1)
    assert str(caught.value) == (
        "upstream_invalid_response (unexpected) dossier 1 "
        "state: string_type, dateDepot: value_error"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("parse", [parse_demarche, parse_form, partial(parse_page, whole=False)])
@pytest.mark.parametrize("given", [None, {}, {"number": "camille@example.org"}, {"number": 902}])
def test_a_demarche_that_is_none(parse, given):
    with pytest.raises(DSInvalidResponse) as caught:
        parse(given, 901)
    assert caught.value.reason == Reason.UNEXPECTED
    assert "example" not in str(caught.value)
    # What pydantic raised holds the answer.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("parse", [parse_demarche, parse_form, partial(parse_page, whole=False)])
def test_another_demarche_than_the_one_asked_for(parse):
    given = {
        "number": 902,
        "id": "UHJvY2VkdXJlLTkwMg==",
        "title": "Prime",
        "service": None,
        "activeRevision": {"champDescriptors": [], "annotationDescriptors": []},
        "list": {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []},
    }
    parse(given, 902)
    with pytest.raises(DSInvalidResponse, match="another démarche"):
        parse(given, 901)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud83db", "a\ufffdb"),
        ("\ud83c\udf89", "🎉"),
        ("🎉 é\u00a0!\r\n<b>", "🎉 é\u00a0!\r\n<b>"),
    ],
)
def test_text_that_no_database_takes_is_made_storable(given, kept):
    answer = dossier_answer(1, messages=[message_answer("m", body=given)])
    assert parse_dossier(answer, 1).messages[0].body == kept


def test_one_of_a_page_that_cannot_be_read_costs_the_others_nothing():
    given = {
        "number": 901,
        "list": {
            "pageInfo": {"hasNextPage": False, "endCursor": None},
            "nodes": [dossier_answer(1), dossier_answer(2, state=None), dossier_answer(3)],
        },
    }
    page = parse_page(given, 901, whole=True)
    assert [payload.number for payload in page.nodes] == [1, 3]
    assert [fault.dossier_number for fault in page.faults] == [2]
    assert page.numbers == {1, 2, 3}


@pytest.mark.parametrize(
    ("size", "taken"),
    [("1234", 1234), (1234, 1234), ("12 Ko", None), ("-1", None), (None, None), ("9" * 20, None)],
)
def test_the_size_of_a_file(size, taken):
    message = message_answer("m", attachments=[file_answer(byteSizeBigInt=size)])
    answer = dossier_answer(1, messages=[message])
    if taken is None:
        with pytest.raises(DSInvalidResponse):
            parse_dossier(answer, 1)
    else:
        assert parse_dossier(answer, 1).messages[0].attachments[0].byte_size == taken
