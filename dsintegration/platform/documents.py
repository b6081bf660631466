"""The GraphQL documents that we send, parsed once at import.

They ask for what we store and nothing more. A test holds them against the published schema.
"""

from functools import lru_cache
from typing import Any

from gql import GraphQLRequest
from graphql import get_introspection_query

from dsintegration.payloads.selection import NOTHING, Selection
from dsintegration.platform.content import content, declared


class Document(GraphQLRequest):
    """A request that is sent as it was written: gql would print its syntax tree at each call.

    `with_variables` gives a copy that shares the parsed document. gql's own keyword for variables
    writes them onto the shared request, where another thread may pick them up.
    """

    def __init__(
        self, source: "str | Document", *, variable_values: dict[str, Any] | None = None
    ) -> None:
        super().__init__(source, variable_values=variable_values)
        self.text: str = source if isinstance(source, str) else source.text

    def with_variables(self, **variable_values: Any) -> "Document":
        return Document(self, variable_values=variable_values)

    @property
    def payload(self) -> dict[str, Any]:
        return {"query": self.text, "variables": self.variable_values or {}}


# Type Dossier, https://demarche.numerique.gouv.fr/graphql/schema/index.html
_MIRRORED = """
fragment Mirrored on Dossier {
  id
  number
  state
  dateDerniereModification
  dateDepot
  datePassageEnConstruction
  datePassageEnInstruction
  dateTraitement
  dateExpiration
  dateSuppressionParUsager
  dateDerniereCorrectionEnAttente
  usager {
    id
    email
  }
  demarche {
    id
    number
    title
    service {
      nom
      organisme
    }
  }
  messages {
    id
    email
    body
    createdAt
    discardedAt
    attachments {
      filename
      contentType
      byteSizeBigInt
      checksum
      createdAt
      virusScanResult
    }
  }
}
"""

GET_DOSSIER = Document(
    "query getDossier($number: Int!) { dossier(number: $number) { ...Mirrored } }" + _MIRRORED
)


@lru_cache(maxsize=256)
def get_dossier(selection: Selection) -> Document:
    """One dossier with what its démarche keeps of it (platform/content.py)."""
    if not selection:
        return GET_DOSSIER
    return Document(
        f"query getDossier($number: Int!{declared(selection)}) {{\n"
        f"  dossier(number: $number) {{ ...Mirrored ...Content }}\n}}"
        + _MIRRORED
        + content(selection)
    )


# All that can be chosen: what check_ds holds against the schema of a platform.
GET_CONTENT = get_dossier(Selection(("champ",), ("annotation",), demandeur=True, instruction=True))


@lru_cache(maxsize=256)
def get_dossiers(count: int, selection: Selection = NOTHING) -> Document:
    """`count` dossiers in one request: their numbers are $n0, $n1…, their aliases d0, d1…"""
    variables = ", ".join(f"$n{rank}: Int!" for rank in range(count))
    fields = "...Mirrored ...Content" if selection else "...Mirrored"
    aliases = " ".join(
        f"d{rank}: dossier(number: $n{rank}) {{ {fields} }}" for rank in range(count)
    )
    return Document(
        f"query getDossiers({variables}{declared(selection)}) {{ {aliases} }}"
        + _MIRRORED
        + content(selection)
    )


# The three lists of a démarche, type Demarche: what moved, what is in the bin, what is gone for
# good. Each is a request of its own: where one of them fails, the others still tell.


def _list(
    name: str, argument: str, fields: str, fragment: str = "", declared: str = ""
) -> Document:
    return Document(f"""\
query {name}(
  $demarche: Int!, $since: ISO8601DateTime!, $first: Int!, $after: String{declared}
) {{
  demarche(number: $demarche) {{
    number
    list: {argument}: $since, first: $first, after: $after) {{
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ {fields} }}
    }}
  }}
}}
{fragment}""")


# Numbers and dates only; with whole dossiers for démarches that are followed.
GET_MOVED = _list("getMoved", "dossiers(updatedSince", "number dateDerniereModification")
GET_MOVED_WHOLE = _list("getMovedWhole", "dossiers(updatedSince", "...Mirrored", _MIRRORED)
GET_PENDING = _list("getPending", "pendingDeletedDossiers(deletedSince", "number dateSupression")
GET_DELETED = _list("getDeleted", "deletedDossiers(deletedSince", "number dateSupression")


@lru_cache(maxsize=256)
def get_moved_whole(selection: Selection) -> Document:
    if not selection:
        return GET_MOVED_WHOLE
    return _list(
        "getMovedWhole",
        "dossiers(updatedSince",
        "...Mirrored ...Content",
        _MIRRORED + content(selection),
        declared(selection),
    )


# The form, as its active revision has it; a repetition's own champs are one level down.
GET_FORM = Document("""\
query getForm($number: Int!) {
  demarche(number: $number) {
    id
    number
    title
    activeRevision {
      champDescriptors { ...Line }
      annotationDescriptors { ...Line }
    }
  }
}
fragment Line on ChampDescriptor {
  ...Descriptor
  ... on RepetitionChampDescriptor { inner: champDescriptors { ...Descriptor } }
}
fragment Descriptor on ChampDescriptor {
  __typename
  id
  label
  required
  ... on HeaderSectionChampDescriptor { level }
}
""")

# Fresh addresses of the files that lie in one place, and of no others: each opens a file to whoever
# has it. Asked for when somebody opens one, and never kept.
_ADDRESSED = """
fragment Addressed on File {
  filename
  contentType
  byteSizeBigInt
  checksum
  createdAt
  virusScanResult
  url
}
"""
_HOLDER = """
fragment Holder on Champ {
  id
  ... on PieceJustificativeChamp { files { ...Addressed } }
}
"""


def _addresses(fields: str, declared: str = "", fragments: str = _ADDRESSED) -> Document:
    return Document(f"""\
query getFile($number: Int!{declared}) {{
  dossier(number: $number) {{ {fields} }}
}}
{fragments}""")


GET_MESSAGE_FILES = _addresses(
    "messages(id: $place) { id attachments { ...Addressed } }", ", $place: ID!"
)
GET_CHAMP_FILES, GET_ANNOTATION_FILES = (
    _addresses(
        f"champs: {name}(id: $place) {{ ...Holder "
        "... on RepetitionChamp { rows { champs { ...Holder } } } }",
        ", $place: ID!",
        _ADDRESSED + _HOLDER,
    )
    for name in ("champs", "annotations")
)
GET_MOTIVATION_FILE = _addresses("file: motivationAttachment { ...Addressed }")
GET_ATTESTATION_FILE = _addresses("file: attestation { ...Addressed }")

GET_DEMARCHE = Document(
    "query getDemarche($number: Int!) { demarche(number: $number) { id number title } }"
)

# Whether the platform answers at all, whatever becomes of dossiers.
GET_PULSE = Document("query getPulse { __typename }")

# Whether a token may read a dossier: nothing of it but its number and that of its démarche.
GET_RIGHT = Document(
    "query getRight($number: Int!) { dossier(number: $number) { number demarche { number } } }"
)

# The platform refuses documents that are deeper than 15 levels; no type of it is nested so.
GET_SCHEMA = Document(
    get_introspection_query(descriptions=False, input_value_deprecation=True, type_depth=5)
)
