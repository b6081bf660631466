"""What is asked of a form: what a choice has of another, and how many dossiers a request takes."""

import pytest

from dsintegration.payloads.selection import FEW, MOST_POINTS, Selection

SOME = Selection(champs=("a", "b"), annotations=("n",), demandeur=True, instruction=True)
MANY = tuple(map(str, range(FEW + 1)))


def test_a_choice_covers_itself_and_less():
    assert SOME.covers(SOME)
    assert SOME.covers(Selection())
    assert SOME.covers(Selection(champs=("b",)))


@pytest.mark.parametrize(
    "more",
    [
        Selection(champs=("a", "c")),
        Selection(annotations=("m",)),
        Selection(champs=("a",), demandeur=True),
        Selection(champs=("a",), instruction=True),
    ],
)
def test_a_choice_covers_no_more(more):
    assert not Selection(champs=("a", "b"), annotations=("n",)).covers(more)


def test_a_key_is_of_what_is_chosen():
    other = Selection(**vars(SOME) | {"champs": ("b", "a"), "all_champs": True})
    assert SOME.key == other.key != Selection(champs=("a", "b")).key
    assert Selection().key == ""
    assert len(SOME.key) == 16


@pytest.mark.parametrize("kind", ["champs", "annotations"])
def test_dossiers_are_fewer_the_more_is_asked_of_each(kind):
    def most(*ids, **whole):
        return Selection(**{kind: ids}, **whole).most_at_once

    one_by_one, whole = most(*MANY), most(*MANY, **{f"all_{kind}": True})
    assert most() > most("a") > most("a", "b") > one_by_one
    assert one_by_one < whole
    assert most(*MANY[:-1], **{f"all_{kind}": True}) < whole  # few are asked for one by one
    assert most(*map(str, range(MOST_POINTS))) == 1
