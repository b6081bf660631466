"""The GraphQL documents that we send, parsed once at import.

They ask for what we store and nothing more. A test holds them against the published schema.
"""

from functools import lru_cache
from typing import Any

from gql import GraphQLRequest
from graphql import get_introspection_query


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
  }
}
"""

GET_DOSSIER = Document(
    "query getDossier($number: Int!) { dossier(number: $number) { ...Mirrored } }" + _MIRRORED
)


@lru_cache(maxsize=256)
def get_dossiers(count: int) -> Document:
    """`count` dossiers in one request: their numbers are $n0, $n1…, their aliases d0, d1…"""
    variables = ", ".join(f"$n{rank}: Int!" for rank in range(count))
    aliases = " ".join(
        f"d{rank}: dossier(number: $n{rank}) {{ ...Mirrored }}" for rank in range(count)
    )
    return Document(f"query getDossiers({variables}) {{ {aliases} }}{_MIRRORED}")


# What moved in a démarche, and what went: numbers and dates only. Type Demarche.
GET_CHANGES = Document("""\
query getChanges(
  $demarche: Int!
  $since: ISO8601DateTime!
  $after: String
  $afterPending: String
  $afterDeleted: String
) {
  demarche(number: $demarche) {
    dossiers(updatedSince: $since, first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { number dateDerniereModification }
    }
    pendingDeletedDossiers(deletedSince: $since, first: 100, after: $afterPending) {
      pageInfo { hasNextPage endCursor }
      nodes { number dateSupression }
    }
    deletedDossiers(deletedSince: $since, first: 100, after: $afterDeleted) {
      pageInfo { hasNextPage endCursor }
      nodes { number dateSupression }
    }
  }
}
""")

# What a démarche is called.
GET_DEMARCHE = Document(
    "query getDemarche($number: Int!) { demarche(number: $number) { id number title } }"
)

# Whether a token may read a dossier: nothing of it but its number and that of its démarche.
GET_RIGHT = Document(
    "query getRight($number: Int!) { dossier(number: $number) { number demarche { number } } }"
)

# Whether the platform answers at all: it names the type of its root.
GET_NOTHING = Document("query getNothing { __typename }")

# The platform refuses documents that are deeper than 15 levels; no type of it is nested so.
GET_SCHEMA = Document(
    get_introspection_query(descriptions=False, input_value_deprecation=True, type_depth=5)
)
