import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsintegration.numbers import MAX_NUMBER, InvalidNumber, look_cut, parse_lines, parse_number
from tests.growth import is_linear


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
        "n°\u00a012\u00a0345",
        "Nº12345",
        "No 12345",
        "no. 12345",
        "numéro 12345",
        "nume\u0301ro 12345",
        "Dossier n° 12345",
        "Dossier numero : 12345",
        "N° de dossier : 12345",
        "№ 12345",
        "12.345",
        "12'345",
        "12’345",
        "١٢٣٤٥",
        "１２３４５",
        "12345.",
        "12345;",
        "12345.0",
        "12345,00",
        "12 345.0",
        '"12345"',
        "« 12345 »",
        "“12345”",
        "(12345)",
        "\u200b12345",
        "12345\u200e",
        "\ufeff12345\ufeff",
        "12\u00ad345",
        "https://demarche.numerique.gouv.fr/dossiers/12345",
        "<https://demarche.numerique.gouv.fr/dossiers/12345>",
        "https://demarche.numerique.gouv.fr/procedures/901/dossiers/12345",
        "https://demarche.numerique.gouv.fr/procedures/901/a-suivre/dossiers/12345/messagerie",
        "https://demarche.numerique.gouv.fr/dossiers/12345/messagerie?page=2#table",
        "http://www.demarches-simplifiees.fr/dossiers/12345/",
        "demarche.numerique.gouv.fr/dossiers/12345",
        "HTTPS://Demarche.Numerique.Gouv.FR/dossiers/12345",
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
        "12,345",
        "12345.000",
        "12.34",
        "12.345 678",
        "1e5",
        "+12345",
        "-12345",
        "0",
        "000",
        "2147483648",
        "12345678900011",
        "9" * 10_000,
        "12345\0",
        "12345;drop",
        "12345 12346",
        "1234 5678",
        "12345" + " " * 5000 + "678",
        "https://demarche.example.org/dossiers/12345",
        "https://demarche.numerique.gouv.fr.example.org/dossiers/12345",
        "https://demarche.numerique.gouv.fr@example.org/dossiers/12345",
        "https://demarche.numerique.gouv.fr/procedures/12345",
        "https://[demarche/dossiers/12345",
        "Dossier",
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
    assert len(sentence) < 160
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
        (["500", "501", "502", "503"], None),
        (["500", "501", "502", "503", "28", "711", "001"], "28 711 001"),
        (["404", "28", "711", "001"], "28 711 001"),
        (["Dossier", "n°", "12345"], "Dossier n° 12345"),
        (["numéro", "12", "345"], "numéro 12 345"),
        (["n°"], None),
        (["12 345", "678"], None),
        (["345"], None),
        ([], None),
    ],
)
def test_numbers_that_a_shell_cut(words, cut):
    assert look_cut(words) == cut


def test_the_site_of_another_instance_is_known(settings):
    settings.DS_SITE_URL = "https://demarche.example.org"
    assert parse_number("https://demarche.example.org/dossiers/12345") == 12345
    settings.DS_SITE_URL = "no address"
    assert parse_number("https://demarche.numerique.gouv.fr/dossiers/12345") == 12345


def test_lines_of_a_spreadsheet():
    read = parse_lines("\ufeffNuméro\tDemandeur\n26000889\tMairie de X\n\n12 345\t\nabc\tY\n")
    assert (read.header, read.numbers) == ("Numéro", [26000889, 12345])
    assert [place for place, _ in read.faults] == [5]


@pytest.mark.parametrize("text", ["Numéro\n12345", "12345\tX\nNuméro\tDemandeur", "n°2\tX\n:\tY"])
def test_a_header_is_the_first_line_of_columns(text):
    read = parse_lines(text)
    assert read.header == ""
    assert len(read.faults) == 1


@given(st.integers(1, MAX_NUMBER), st.sampled_from(" \u00a0\u202f\u2009."), st.data())
def test_any_number_however_it_was_copied(number, between, data):
    grouped = f"{number:,}".replace(",", between)
    written = data.draw(st.sampled_from([str(number), grouped, f"{number}.0", f"{number:012}"]))
    before = data.draw(st.sampled_from(["", "n° ", "N°", "Dossier ", "dossier numéro ", "\u200e"]))
    quotes = data.draw(st.sampled_from(["", '"', "'", "\ufeff"]))
    after = data.draw(st.sampled_from(["", ";", ".", "\u200b", " ", ","]))
    assert parse_number(f"{quotes}{before}{written}{quotes}{after}") == number


@given(st.text(st.sampled_from("0123456789 .,;n°\t\"'Nodsier\u200b\u00a0/:-"), max_size=30))
def test_no_number_is_made_up(text):
    try:
        number = parse_number(text)
    except InvalidNumber:
        return
    digits = "".join(filter(str.isdigit, text)).lstrip("0")
    assert digits.startswith(str(number))
    assert digits.removeprefix(str(number)) in {"", "0", "00"}


@pytest.mark.parametrize("part", [", ", "( ", "\u00a0;", "1 ", "/a", "\t", "\n"])
def test_a_long_line_takes_no_longer_than_many(part):
    assert is_linear(parse_lines, part)
