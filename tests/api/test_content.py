"""What a démarche keeps of its dossiers, through the REST API: who sees it, and in which shape."""

import json

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from dsintegration import journal
from dsintegration.mirror.choices import choose, prune
from dsintegration.models import ApiKey, ChampDescriptor, Demarche, Dossier, File
from dsintegration.representation import dossier_as_json, file_as_json
from dsintegration.sandbox.forms import champ_id
from dsintegration.services import fetch_dossier
from tests.content import keep_all
from tests.factories import DossierFactory, MessageFactory

pytestmark = pytest.mark.django_db(transaction=True)

LIST, DETAIL = "/api/v1/dossiers/", "/api/v1/dossiers/12345/"
CONTENT = [
    "demandeur",
    "groupe_instructeur",
    "instructeurs",
    "labels",
    "motivation",
    "traitements",
    "champs",
    "annotations",
]
NAME, SIRET, DAY, BUDGET, PARTNERS = (champ_id(key) for key in (101, 102, 116, 132, 136))
PARTNER, RIB, REMARK = (champ_id(key) for key in (137, 139, 201))
# Answers of dossier 12345 that are nowhere else in its JSON.
SECRETS = ("Cordes vocales", "44011762001530", "Favorable", "À compléter", "4300.5")


@pytest.fixture
def demarche(sandbox) -> Demarche:
    """Keeps all of dossier 12345, which is here."""
    demarche = keep_all(901)
    fetch_dossier(12345)
    return demarche


@pytest.fixture
def reader(api, demarche):
    return api(can_read_personal_data=True, can_read_content=True)


def use(demarche: Demarche, *ids: str, **uses: bool) -> None:
    demarche.champs.filter(ds_id__in=ids).update(**uses)
    choose(demarche, by=journal.CODE)


def ids(champs) -> set[str]:
    return {champ["id"] for champ in champs}


class TestShape:
    def test_is_what_the_command_prints(self, reader, capsys):
        body = reader.get(DETAIL).json()
        assert body == dossier_as_json(Dossier.objects.get())
        call_command("fetch_dossier", "12345", "--format", "json")
        moments = {"fetched_at", "checked_at"}
        printed = json.loads(capsys.readouterr().out)
        assert list(printed) == list(body)
        assert {k: v for k, v in printed.items() if k not in moments} == {
            k: v for k, v in body.items() if k not in moments
        }

    def test_is_in_its_place(self, reader):
        names = list(reader.get(DETAIL).json())
        place = names.index("demandeur")
        assert names[place - 1 : place + len(CONTENT) + 1] == ["messages", *CONTENT, "url"]

    def test_people_and_history(self, reader):
        body = reader.get(DETAIL).json()
        assert body["demandeur"] == {
            "type": "PersonneMorale",
            "civilite": None,
            "nom": None,
            "prenom": None,
            "siret": "44011762001530",
            "raison_sociale": "LES CORDES VOCALES",
            "mandataire": {"prenom": "Sam", "nom": "Exemple"},
        }
        assert body["groupe_instructeur"] == {"number": 2, "label": "Culture"}
        assert body["labels"] == [{"name": "À compléter", "color": "yellow_tournesol"}]
        assert body["motivation"] is None
        assert [past.keys() for past in body["traitements"]] == [{"event", "date", "agent"}] * 2
        assert body["traitements"][0]["date"] == "2026-09-07T08:02:11Z"

    def test_champs(self, reader):
        champs = {champ["id"]: champ for champ in reader.get(DETAIL).json()["champs"]}
        assert list(champs[DAY]) == ["id", "label", "type", "value", "text"]
        assert champs[DAY]["value"] == "2026-12-19"
        assert champs[RIB] == {
            "id": RIB,
            "label": "Relevé d'identité bancaire",
            "type": "PieceJustificativeChamp",
            "text": "",
            "files": [file_as_json(file) for file in File.objects.filter(champ_id=RIB)],
        }
        assert len(champs[RIB]["files"]) == 1
        assert list(champs[PARTNERS]) == ["id", "label", "type", "text", "rows"]
        assert [row[0]["value"] for row in champs[PARTNERS]["rows"]] == [
            "Ville d'Exemple",
            "Crédit des arts",
        ]
        assert '"champ":' not in reader.get(DETAIL).content.decode()

    def test_only_what_the_demarche_keeps(self, reader, demarche):
        choose(demarche, by=journal.CODE, champs=[DAY], annotations=[], instruction=False)
        body = reader.get(DETAIL).json()  # before anything of it was erased
        assert [name for name in CONTENT if name in body] == ["demandeur", "champs"]
        assert ids(body["champs"]) == {DAY}
        choose(demarche, by=journal.CODE, champs=[], demandeur=False)
        assert not [name for name in CONTENT if name in reader.get(DETAIL).json()]

    def test_not_what_has_not_come_yet(self, reader, demarche):
        Dossier.objects.update(champs=None, instruction=None)
        body = reader.get(DETAIL).json()
        assert [name for name in CONTENT if name in body] == ["demandeur", "annotations"]

    def test_lists_have_none_of_it(self, reader, django_assert_num_queries):
        response = reader.get(LIST)
        assert not [name for name in CONTENT if name in response.json()["results"][0]]
        assert not [word for word in SECRETS if word in response.content.decode()]

    def test_statements(self, reader, django_assert_num_queries):
        reader.get(DETAIL)
        with django_assert_num_queries(6 + 1):  # the journal
            reader.get(DETAIL)


class TestRight:
    def test_without_it_nothing(self, api, demarche):
        for rights in ({}, {"can_read_personal_data": True}):
            response = api(**rights).get(DETAIL)
            assert not [name for name in CONTENT if name in response.json()]
            assert not [word for word in SECRETS if word in response.content.decode()]

    def test_without_it_nothing_is_read(self, api, demarche, django_assert_num_queries):
        client = api(can_read_personal_data=True)
        client.get(DETAIL)
        with django_assert_num_queries(5 + 1) as captured:  # the journal
            client.get(DETAIL)
        sql = " ".join(query["sql"] for query in captured.captured_queries)
        assert '"dsintegration_dossier"."champs"' not in sql

    def test_after_a_fetch(self, api, demarche):
        client = api(can_read_personal_data=True, can_fetch=True)
        response = client.post(f"{DETAIL}fetch/")
        assert not [name for name in CONTENT if name in response.json()]
        client = api(can_read_personal_data=True, can_read_content=True, can_fetch=True)
        response = client.post(f"{DETAIL}fetch/")
        assert [name for name in response.json() if name in CONTENT] == CONTENT
        assert response["ETag"] == client.get(DETAIL)["ETag"]

    def test_needs_the_right_to_personal_data(self):
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.create_key(name="Portail", can_read_content=True)
        row, _ = ApiKey.objects.create_key(
            name="Portail", can_read_personal_data=True, can_read_content=True
        )
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.filter(pk=row.pk).update(can_read_personal_data=False)

    def test_of_its_demarches_alone(self, api, demarche):
        other = DossierFactory().demarche
        client = api(demarches=[other], can_read_personal_data=True, can_read_content=True)
        assert client.get(DETAIL).status_code == 404


class TestHidden:
    @pytest.mark.parametrize("champ", [NAME, RIB, PARTNERS, REMARK])
    def test_a_champ_is_not_shown(self, reader, demarche, champ):
        use(demarche, champ, hidden_from_api=True)
        body = reader.get(DETAIL).json()
        assert champ not in ids([*body["champs"], *body["annotations"]])
        assert champ == NAME or NAME in ids(body["champs"])

    def test_a_champ_of_a_repetition(self, reader, demarche):
        use(demarche, PARTNER, hidden_from_api=True)
        [partners] = [c for c in reader.get(DETAIL).json()["champs"] if c["id"] == PARTNERS]
        assert [len(row) for row in partners["rows"]] == [1, 1]
        assert "Crédit des arts" not in reader.get(DETAIL).content.decode()

    def test_a_file(self, api, reader, demarche):
        paths = {
            file.champ_id: f"{DETAIL}files/{file.pk}/"
            for file in File.objects.filter(place="champ")
        }
        response = reader.get(paths[RIB])
        assert response.status_code == 200
        response.close()
        assert api(can_read_personal_data=True).get(paths[RIB]).status_code == 404
        use(demarche, RIB, hidden_from_api=True)
        assert reader.get(paths[RIB]).status_code == 404
        use(demarche, RIB, hidden_from_api=False)
        choose(demarche, by=journal.CODE, champs=[NAME])
        assert reader.get(paths[RIB]).status_code == 404

    def test_the_operator_sees_it(self, demarche, capsys):
        use(demarche, NAME, hidden_from_api=True)
        call_command("fetch_dossier", "12345", "--format", "json")
        assert NAME in ids(json.loads(capsys.readouterr().out)["champs"])


class TestETag:
    def test_changes_with_what_is_hidden(self, reader, demarche):
        etag = reader.get(DETAIL)["ETag"]
        assert reader.get(DETAIL, headers={"If-None-Match": etag}).status_code == 304
        use(demarche, NAME, hidden_from_api=True)
        assert reader.get(DETAIL, headers={"If-None-Match": etag}).status_code == 200

    def test_tells_nothing_without_the_right(self, api, reader, demarche):
        client = api(can_read_personal_data=True)
        mine, theirs = client.get(DETAIL)["ETag"], reader.get(DETAIL)["ETag"]
        assert mine != theirs
        assert client.get(DETAIL, headers={"If-None-Match": theirs}).status_code == 200
        assert reader.get(DETAIL, headers={"If-None-Match": mine}).status_code == 200
        use(demarche, NAME, hidden_from_api=True)
        assert client.get(DETAIL)["ETag"] == mine


class TestSearch:
    @pytest.fixture
    def searchable(self, demarche):
        demarche.champs.exclude(type__in=ChampDescriptor.TITLES).update(is_searchable=True)
        choose(demarche, by=journal.CODE)
        # Another dossier of the démarche, with other answers.
        DossierFactory(number=500, demarche=demarche)
        list(prune(demarche, reindex=True))
        return demarche

    def found(self, client, **answers):
        params = {f"champ.{champ.rstrip('=')}": value for champ, value in answers.items()}
        response = client.get(LIST, params)
        assert response.status_code == 200, response.content
        return [row["number"] for row in response.json()["results"]]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (101, "les cordes VOCALES"),
            (101, "Les Cordes  vocales"),
            (102, "44011762001530"),
            (102, "440 117 620 01530"),
            (102, "LES CORDES VOCALES (44011762001530)"),
            (103, "W281000123"),
            (105, "Mme"),
            (106, "bureau@lescordesvocales.example.org"),
            (108, "4 rue de l’Exemple, 28100 DREUX"),
            (113, "musique"),
            (114, "Enfants"),
            (114, "familles, amis"),
            (115, "Théâtre / Grande salle"),
            (116, "2026-12-19"),
            (117, "2026-12-18"),
            (118, "dreux (28100)"),
            (131, "850"),
            (132, "4300.5"),
            (132, "4300,50"),
            (132, "4 300,50"),
            (133, "true"),
            (133, "Oui"),
            (134, "12346"),
            (137, "Credit des arts"),
            (138, "800"),
            (141, "FR76 3000 1007 9412 3456 7890 185"),
            (201, "favorable"),
            (202, "4000"),
        ],
    )
    def test_equal_as_people_write(self, reader, searchable, key, value):
        assert self.found(reader, **{champ_id(key): value}) == [12345]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            (101, "cordes"),
            (101, "vocales"),
            (102, "4401176200153"),
            (114, "Enfants, Familles, amis"),
            (116, "2026-12-18"),
            (132, "4300"),
            (133, "false"),
            (137, "Ville"),
            (101, "—"),
        ],
    )
    def test_a_part_is_not_equal(self, reader, searchable, key, value):
        assert self.found(reader, **{champ_id(key): value}) == []

    def test_all_of_them(self, reader, searchable):
        assert self.found(reader, **{SIRET: "44011762001530", DAY: "2026-12-19"}) == [12345]
        assert self.found(reader, **{SIRET: "44011762001530", DAY: "2026-12-20"}) == []
        assert self.found(reader, **{SIRET: "44011762001530"}) == [12345]

    def test_an_id_with_its_padding(self, reader, searchable):
        champ = champ_id(10_000)
        assert champ.endswith("=")
        searchable.champs.filter(ds_id=NAME).update(ds_id=champ)
        Dossier.objects.get(number=500).values.create(champ=champ, text="oui")
        for given in (champ, champ.rstrip("=")):
            [row] = reader.get(LIST, {f"champ.{given}": "oui"}).json()["results"]
            assert row["number"] == 500

    def test_with_the_other_filters(self, reader, searchable):
        query = {f"champ.{SIRET.rstrip('=')}": "44011762001530"}
        for other, count in (
            ({"demarche": 901}, 1),
            ({"demarche": 902}, 0),
            ({"after_version": 0}, 1),
            ({"after_version": 10**9}, 0),
            ({"state": "en_instruction"}, 1),
            ({"state": "refuse"}, 0),
        ):
            assert len(reader.get(LIST, query | other).json()["results"]) == count, other

    def test_pages(self, reader, searchable):
        for number in range(600, 605):
            dossier = DossierFactory(number=number, demarche=searchable, version=number)
            dossier.values.create(champ=NAME, text="les cordes vocales")
        query = {f"champ.{NAME.rstrip('=')}": "Les Cordes vocales", "page_size": 2}
        for order, expected in (({}, 604), ({"after_version": 0}, 12345)):
            page, seen = reader.get(LIST, query | order).json(), []
            while True:
                seen += [row["number"] for row in page["results"]]
                if page["next"] is None:
                    break
                page = reader.get(page["next"]).json()
            assert sorted(seen) == [600, 601, 602, 603, 604, 12345]
            assert seen[0] == expected

    def test_statements(self, reader, searchable, django_assert_max_num_queries):
        reader.get(LIST)
        with django_assert_max_num_queries(4 + 1):  # one for the champs, and the journal
            self.found(reader, **{SIRET: "44011762001530", DAY: "2026-12-19"})

    def refused(self, client, champ, value="x"):
        response = client.get(LIST, {f"champ.{champ.rstrip('=')}": value})
        return response.status_code, response.json()["code"], response.json()["detail"]

    def test_needs_the_right(self, api, searchable):
        for champ in (NAME, champ_id(999)):
            status, code, _ = self.refused(api(can_read_personal_data=True), champ)
            assert (status, code) == (403, "content_denied")

    def test_one_answer_for_all_that_is_not_to_be_known(self, api, reader, searchable):
        other = DossierFactory().demarche
        elsewhere = api(demarches=[other], can_read_personal_data=True, can_read_content=True)
        use(searchable, NAME, is_searchable=False)
        use(searchable, SIRET, PARTNERS, hidden_from_api=True)
        # Not erased yet from the index.
        chosen = [row.ds_id for row in searchable.champs.filter(is_annotation=False).kept()]
        choose(searchable, by=journal.CODE, champs=[c for c in chosen if c != DAY])
        answers = {
            self.refused(client, champ, "2026-12-19")[::2][1].replace(champ.rstrip("="), "…")
            for client, champ in (
                (reader, champ_id(999)),  # of no form
                (reader, "$"),
                (reader, NAME),
                (reader, SIRET),
                (reader, PARTNER),
                (reader, DAY),
                (elsewhere, BUDGET),
                (elsewhere, NAME),
            )
        }
        assert answers == {
            "champ.… : aucun champ de cet identifiant ne sert à chercher avec cette clé."
        }
        assert self.found(reader, **{BUDGET: "4300.5"}) == [12345]

    @pytest.mark.parametrize(
        ("champ", "value"), [(BUDGET, "beaucoup"), (BUDGET, "1e3"), (DAY, "19/12/2026")]
    )
    def test_malformed(self, reader, searchable, champ, value):
        status, code, detail = self.refused(reader, champ, value)
        assert (status, code) == (400, "invalid")
        assert value not in detail

    def test_bad_parameters(self, reader, searchable):
        name = f"champ.{NAME.rstrip('=')}"
        for query in (
            f"{name}=",
            f"{name}=a&{name}=b",
            "champ.=x",
            "champ.%00=x",
            "&".join(f"champ.{rank}=x" for rank in range(11)),
        ):
            response = reader.get(f"{LIST}?{query}")
            assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert self.found(reader, **{NAME: "\0"}) == []
        response = reader.get("/api/v1/purged/", {name: "x"})
        assert response.status_code == 400

    def test_values_are_in_no_line_of_ours(self, reader, searchable, logs):
        from dsintegration.models import JournalEntry

        self.found(reader, **{NAME: "Les Cordes vocales"})
        self.refused(reader, BUDGET, "Les Cordes vocales")
        ours = [r.getMessage() for r in logs.records if r.name != "django.db.backends"]
        assert "Cordes" not in " ".join(ours)
        entries = JournalEntry.objects.order_by("pk").values_list("detail", "numbers")
        assert not [entry for entry in entries if "Cordes" in "".join(entry)]


def test_a_key_of_all_sees_messages_too(reader):
    MessageFactory(dossier=Dossier.objects.get())
    assert reader.get(DETAIL).json()["messages"]
