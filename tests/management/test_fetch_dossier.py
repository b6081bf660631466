"""`manage.py fetch_dossier`, as operators and scripts run it."""

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from dsintegration.management.base import in_french
from dsintegration.models import Dossier
from dsintegration.representation import dossier_as_json
from dsintegration.sandbox import TOKEN, Reply
from tests.factories import dossier_answer, message_answer

pytestmark = pytest.mark.django_db


class Run:
    def __init__(self, *words: str, **options: object) -> None:
        out, err = io.StringIO(), io.StringIO()
        self.status = 0
        try:
            call_command("fetch_dossier", *words, stdout=out, stderr=err, **options)
        except CommandError as error:
            self.status = error.returncode
            err.write(str(error))
        self.out, self.err = out.getvalue(), err.getvalue()


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


class TestText:
    def test_summary(self, sandbox):
        run = Run("12345")
        assert (run.status, run.err) == (0, "")
        assert run.out == (
            "Dossier n° 12345 : créé\n"
            "  État            : En instruction\n"
            "  Démarche        : Demande de subvention pour une manifestation culturelle (n° 901)\n"
            "  Déposé le       : 7 septembre 2026 à 10:02\n"
            "  En construction : 7 septembre 2026 à 10:02\n"
            "  En instruction  : 21 septembre 2026 à 09:30\n"
            "  Modifié le      : 2 octobre 2026 à 11:20\n"
            "  Lien            : https://demarche.example.org/dossiers/12345\n"
            "  Messages        : 5\n"
            "    - 7 septembre 2026 à 10:02, message automatique\n"
            "    - 14 septembre 2026 à 15:41, service ou tiers\n"
            "    - 15 septembre 2026 à 08:12, usager, 2 pièces jointes\n"
            "    - 21 septembre 2026 à 09:30, message automatique\n"
            "    - 2 octobre 2026 à 11:20, service ou tiers\n"
        )

    def test_what_came_of_it(self, sandbox):
        assert "12345 : créé\n" in Run("12345").out
        assert "12345 : inchangé\n" in Run("12345").out
        sandbox.dossiers[12345] = sandbox.dossiers[12345] | {"state": "accepte"}
        run = Run("12345")
        assert "12345 : mis à jour\n" in run.out
        assert "État            : Accepté\n" in run.out

    def test_what_is_said_of_messages(self, sandbox):
        assert "6 octobre 2026 à 11:02, service ou tiers, supprimé le 6 octobre" in Run("12352").out
        assert "usager, pièce jointe seule\n" in Run("12353").out
        assert "usager, 2 pièces jointes\n" in Run("12345").out
        assert "Messages        : aucun\n" in Run("12346").out
        sandbox.dossiers[12347] = sandbox.dossiers[12347] | {"messages": []}
        Run("12345")
        messages = sandbox.dossiers[12345]["messages"][1:]
        sandbox.dossiers[12345] = sandbox.dossiers[12345] | {"messages": messages}
        assert "message automatique, absent de la plateforme\n" in Run("12345").out

    def test_neither_names_nor_texts(self, sandbox):
        run = Run(*map(str, sandbox.dossiers))
        assert run.status == 0
        for private in ("@", "Bonjour", "budget", TOKEN):
            assert private not in run.out + run.err

    def test_a_terminal_is_not_given_orders(self, sandbox):
        demarche = {"id": "d", "number": 7, "title": "Aide\x1b[2J\x07\r\nÉtat : Accepté\x9b 🎉"}
        answer = dossier_answer(7, demarche=demarche, state="en_\x1b[0m")
        sandbox.replies[7] = Reply(body={"data": {"dossier": answer}})
        out = Run("7").out
        assert "Aide\ufffd[2J\ufffd\ufffd\ufffdÉtat : Accepté\ufffd 🎉" in out
        assert all(letter.isprintable() for letter in out.replace("\n", ""))

    def test_nothing_is_turned_around(self, sandbox):
        demarche = {"id": "d", "number": 7, "title": "Aide \u202eeéffer\u2066 x\u200f\u061c"}
        sandbox.replies[7] = Reply(body={"data": {"dossier": dossier_answer(7, demarche=demarche)}})
        assert "Aide \ufffdeéffer\ufffd x\ufffd\ufffd (n° 7)" in Run("7").out

    def test_nor_by_what_was_typed(self, sandbox):
        assert "argument inconnu : --x\ufffdy" in Run("--x\u202ey").err


class TestJSON:
    def test_one_line_a_dossier(self, sandbox):
        run = Run("12354", "12346", format="json")
        assert (run.status, run.err) == (0, "")
        assert json_lines(run.out) == [
            dossier_as_json(Dossier.objects.get(number=number)) for number in (12354, 12346)
        ]
        assert run.out.isascii()

    def test_failures_do_not_mix_with_it(self, sandbox):
        run = Run("1", "12346", "20002", format="json")
        assert run.status == 1
        assert [line["number"] for line in json_lines(run.out)] == [12346]
        assert run.err.count("Dossier n° ") == 2


FAILURES = [
    (404, 3, "la plateforme ne connaît pas ce dossier"),
    (20002, 4, "n'a pas accès à la démarche"),
    (40101, 4, "le jeton a expiré"),
    (40301, 4, "refuse le jeton"),
    (20003, 5, "trop de temps"),
    (42901, 5, "trop de demandes"),
    (50001, 5, "erreur interne"),
    (50201, 5, "en panne"),
    (50301, 5, "en maintenance"),
    (20004, 6, "n'est pas celle de l'API"),
]


class TestFailures:
    @pytest.mark.parametrize(("number", "status", "words"), FAILURES)
    def test_one(self, sandbox, number, status, words):
        run = Run(str(number))
        assert (run.status, run.out) == (status, "")
        assert run.err.startswith(f"Dossier n° {number} : ")
        assert words in run.err
        assert run.err.strip().count("\n") == 0
        assert not Dossier.objects.exists()

    def test_one_does_not_stop_the_others(self, sandbox):
        run = Run("404", "12345", "405", "12346")
        assert run.status == 3
        assert Dossier.objects.count() == 2
        assert run.err.endswith("2 sur 4 dossiers récupérés, en échec : 2.")

    def test_of_different_kinds(self, sandbox):
        assert Run("404", "20002", "12345").status == 1

    @pytest.mark.parametrize("refused", ["40101", "40301"])
    def test_a_refused_token_stops(self, sandbox, settings, refused):
        settings.DS_BATCH_SIZE = settings.DS_IN_FLIGHT = 1
        run = Run("12345", refused, "12346", "12347")
        assert run.status == 4
        assert [row.number for row in Dossier.objects.all()] == [12345]
        assert run.err.endswith("1 sur 4 dossiers récupérés, en échec : 1, pas demandés : 2.")

    @pytest.mark.parametrize("refused", ["40101", "40301"])
    def test_a_refused_token_is_said_once(self, sandbox, refused):
        run = Run("12345", refused, "12346")
        assert run.status == 4
        assert run.err.count("jeton") <= 2
        assert run.err.endswith("0 sur 3 dossiers récupérés, en échec : 1, pas demandés : 2.")

    def test_no_right_on_one_does_not_stop(self, sandbox):
        assert Run("20002", "12345").status == 4
        assert Dossier.objects.count() == 1

    def test_no_token(self, sandbox, settings):
        settings.DS_API_TOKEN = ""
        run = Run("12345", "12346")
        assert (run.status, run.out) == (7, "")
        assert run.err.startswith("DS_API_TOKEN manque : ")
        assert not sandbox.received

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DS_API_URL", "http://platform.example.org/"),
            ("DS_API_URL", "nothing"),
            ("DS_API_TOKEN", "two words"),
            ("DS_API_READ_TIMEOUT", 0),
            ("DS_API_CONNECT_TIMEOUT", float("nan")),
        ],
    )
    def test_wrong_settings(self, sandbox, settings, name, value):
        setattr(settings, name, value)
        run = Run("12345")
        assert run.status == 7
        assert name in run.err
        assert not sandbox.received

    def test_a_database_without_tables(self, sandbox):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE dsintegration_message RENAME TO elsewhere")
        run = Run("12345")
        assert run.status == 1
        assert "manage.py migrate" in run.err
        assert not Dossier.objects.exists()


class TestInput:
    @pytest.mark.parametrize("text", ["n° 12 345", "12\u00a0345", "N°12345", " 12345 "])
    def test_forgiven(self, sandbox, text):
        assert Run(text).status == 0
        assert Dossier.objects.get().number == 12345

    @pytest.mark.parametrize(
        "text", ["abc", "", "0", "2147483648", "12345678900011", "12.5", "-3", "1e5"]
    )
    def test_refused_before_any_call(self, sandbox, text):
        run = Run("12345", "--", text)
        assert (run.status, run.out) == (2, "")
        assert "n'est pas un numéro de dossier" in run.err
        assert not sandbox.received

    def test_all_faults_are_named(self, sandbox):
        err = Run("abc", "12345", "0").err
        assert "« abc »" in err
        assert "« 0 »" in err
        assert err.endswith("Rien n'a été récupéré.")

    def test_a_number_cut_by_the_shell(self, sandbox):
        run = Run("28", "711", "001")
        assert run.status == 2
        assert '"28 711 001"' in run.err
        assert not sandbox.received

    def test_four_numbers_of_three_digits(self, sandbox):
        run = Run("500", "501", "502", "503")
        assert run.status == 3
        assert "0 sur 4 dossiers récupérés" in run.err

    def test_none(self, sandbox):
        run = Run()
        assert run.status == 2
        assert run.err.startswith("aucun numéro de dossier")

    def test_twice(self, sandbox):
        run = Run("12345", "n° 12 345", "12345")
        assert run.status == 0
        assert len(sandbox.received) == 1
        assert run.err == "Remarque : le n° 12345 est donné 3 fois ; il est récupéré une fois.\n"


class TestFile:
    def write(self, tmp_path, content):
        path = tmp_path / "numbers"
        path.write_bytes(content)
        return str(path)

    @pytest.mark.parametrize(
        "content",
        [
            b"12345\n12346\n",
            b"\xef\xbb\xbfn\xc2\xb0 12 345\r\n\r\n 12346",
        ],
    )
    def test_one_a_line(self, sandbox, tmp_path, content):
        assert Run(file=self.write(tmp_path, content)).status == 0
        assert [row.number for row in Dossier.objects.order_by("number")] == [12345, 12346]

    def test_a_spreadsheet(self, sandbox, tmp_path):
        run = Run(file=self.write(tmp_path, "Numéro\tDemandeur\n12345\tMairie de X\n".encode()))
        assert run.status == 0
        assert "la première ligne, « Numéro », est un en-tête" in run.err
        assert Dossier.objects.get().number == 12345

    def test_with_arguments(self, sandbox, tmp_path):
        assert Run("12347", file=self.write(tmp_path, b"12345")).status == 0
        assert Dossier.objects.count() == 2

    def test_standard_input(self, sandbox, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"12345\n")))
        assert Run(file="-").status == 0
        assert Dossier.objects.count() == 1

    def test_a_wrong_line_is_named(self, sandbox, tmp_path):
        run = Run(file=self.write(tmp_path, b"12345\n\nabc\n"))
        assert run.status == 2
        assert run.err.startswith("ligne 3 : « abc »")
        assert not sandbox.received

    def test_empty(self, sandbox, tmp_path):
        run = Run(file=self.write(tmp_path, b"\n \n"))
        assert (run.status, run.err[:12]) == (2, "aucun numéro")

    def test_not_a_text(self, sandbox, tmp_path):
        run = Run(file=self.write(tmp_path, b"\xff\xfe1\0"))
        assert run.status == 2
        assert "UTF-8" in run.err

    @pytest.mark.parametrize("path", ["nowhere", ".", "a\0b"])
    def test_unreadable(self, sandbox, tmp_path, path):
        run = Run(file=str(tmp_path / path))
        assert run.status == 2
        assert "ne peut pas être lu" in run.err


class TestCommandLine:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--nope", "1"], "argument inconnu : --nope"),
            (["--format"], "--format attend une valeur"),
            (["1", "--file"], "--file attend une valeur"),
            (["--format", "xml", "1"], "--format : 'xml' n'est pas parmi"),
            (["--form", "json", "1"], "argument inconnu : --form"),
            (["--no-color=1", "1"], "--no-color n'attend pas de valeur"),
            (["--verbosity", "a", "1"], "-v/--verbosity : 'a' n'est pas un nombre"),
        ],
    )
    def test_argparse_speaks_french(self, words, sentence):
        run = Run(*words)
        assert run.status == 2
        assert run.err.startswith(sentence)
        assert run.err.endswith("--help")

    @pytest.mark.parametrize(
        ("english", "french"),
        [
            ("the following arguments are required: --to", "il manque : --to"),
            ("ambiguous option: --f could match --file, --format", "--f peut vouloir dire"),
            ("argument --a: not allowed with argument --b", "--a et --b ne vont pas ensemble"),
            ("something that Python has yet to invent", "ligne de commande incorrecte"),
        ],
    )
    def test_what_argparse_may_say_elsewhere(self, english, french):
        assert in_french(english).startswith(french)

    def test_help(self, capsys):
        with pytest.raises(SystemExit) as caught:
            call_command("fetch_dossier", "--help")
        assert caught.value.code == 0
        shown = capsys.readouterr().out
        assert "affiche cette aide" in shown
        for english in ("show this help", "positional", "Verbosity", "traceback"):
            assert english not in shown


def test_a_long_conversation_is_one_call(sandbox):
    messages = [message_answer(f"m{rank}") for rank in range(1000)]
    sandbox.replies[7] = Reply(body={"data": {"dossier": dossier_answer(7, messages=messages)}})
    assert "Messages        : 1000\n" in Run("7").out
    assert len(sandbox.received) == 1
