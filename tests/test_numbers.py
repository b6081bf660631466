import pytest

from dsintegration.numbers import InvalidNumber, look_cut, parse_number


@pytest.mark.parametrize(
    "text",
    [
        "12345",
        " 12345\n",
        "12 345",
        "12\u00a0345",
        "12\u202f345",
        "12345 ",
        "n° 12 345",
        "N°12345",
        "nº 12345",
        "n ° 12345",
        "0012345",
    ],
)
def test_ways_to_write_a_number(text):
    assert parse_number(text) == 12345


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "n°",
        "abc",
        "12345a",
        "12.345",
        "12,345",
        "1e5",
        "+12345",
        "-12345",
        "0",
        "000",
        "2147483648",
        "12345678900011",
        "9" * 10_000,
        "１２３４５",
        "12345\0",
        "12345;drop",
        "12345 12346",
        "404 12345",
        "12345 678",
        "1 2",
        "1234 567",
        "28711001\n28711002",
        "RG9zc2llci0xMjM0NQ==",
    ],
)
def test_what_is_no_number(text):
    with pytest.raises(InvalidNumber) as caught:
        parse_number(text)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert len(sentence) < 140
    assert sentence.isprintable()


def test_the_last_number_of_all():
    assert parse_number("2 147 483 647") == 2_147_483_647


@pytest.mark.parametrize(
    ("words", "cut"),
    [
        (["28", "711", "001"], "28 711 001"),
        (["12", "345"], "12 345"),
        (["n°", "12", "345"], "n° 12 345"),
        (["n°12", "345"], "n°12 345"),
        (["n°", "12345"], "n° 12345"),
        (["28711001", "12", "345"], "12 345"),
        (["12345", "12346"], None),
        (["28711001", "345"], None),
        (["12", "34"], None),
        (["12 345", "678"], None),
        (["345"], None),
        ([], None),
    ],
)
def test_numbers_that_a_shell_cut(words, cut):
    assert look_cut(words) == cut
