"""Why somebody did not come in by the provider, and what he is told."""

from enum import StrEnum


class Reason(StrEnum):
    UNREACHABLE = "unreachable"
    DECLINED = "declined"
    WRONG_STATE = "wrong_state"
    INVALID = "invalid"
    UNVERIFIED = "unverified"
    PRIVILEGED = "privileged"
    AMBIGUOUS = "ambiguous"
    OTHER_IDENTITY = "other_identity"
    INACTIVE = "inactive"


SENTENCES = {
    Reason.UNREACHABLE: "{provider} ne répond pas : réessayez dans quelques minutes.",
    Reason.DECLINED: "{provider} n'a pas confirmé votre identité : vous pouvez réessayer.",
    Reason.WRONG_STATE: (
        "Cette connexion a trop attendu, ou vient d'une autre page : recommencez depuis ici."
    ),
    Reason.INVALID: (
        "La réponse de {provider} n'est pas celle attendue : réessayez, puis prévenez votre "
        "responsable si cela continue."
    ),
    Reason.UNVERIFIED: (
        "{provider} ne garantit pas votre adresse électronique : faites-la vérifier, puis "
        "réessayez."
    ),
    Reason.PRIVILEGED: (
        "Votre compte a des droits trop étendus pour être relié par sa seule adresse : demandez à "
        "votre service informatique de l'ouvrir à cette connexion."
    ),
    Reason.AMBIGUOUS: (
        "Plusieurs comptes d'ici ont votre adresse électronique : demandez à un responsable de "
        "n'en garder qu'un."
    ),
    Reason.OTHER_IDENTITY: (
        "Votre compte est déjà relié à une autre identité de {provider} : demandez à votre service "
        "informatique de le relier à celle-ci."
    ),
    Reason.INACTIVE: "Votre compte est désactivé : demandez à un responsable de le rouvrir.",
}


class LoginRefused(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def sentence(reason: Reason, provider: str) -> str:
    """`provider`: its name, "" where we have none."""
    text = SENTENCES[reason].format(provider=provider or "votre service de connexion")
    return text[0].upper() + text[1:]
