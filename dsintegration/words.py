"""What an agent, or another system, is told of failures that only an operator can mend.

The sentences of exceptions.py name settings and say what to do with a token: those are for
operators.
"""

from dsintegration.exceptions import Reason

# What an agent can do nothing about, in his words; operators have the logs and check_ds.
UNCONFIGURED = (
    "La récupération n'est pas possible : dsintegration est mal configuré. Prévenez la personne "
    "qui exploite cette application."
)

# Instead of the sentences of exceptions.py that name settings or tell what to do with a token.
IN_AN_AGENTS_WORDS = {
    Reason.TOKEN_REFUSED: "la plateforme refuse le jeton de cette application ; prévenez la "
    "personne qui l'exploite.",
    Reason.TOKEN_EXPIRED: "le jeton a expiré ; prévenez la personne qui exploite cette "
    "application.",
    Reason.NO_RIGHT: "le jeton n'a pas accès à la démarche de ce dossier ; prévenez la personne "
    "qui exploite cette application.",
    Reason.NETWORK: "la plateforme est injoignable ; réessayez plus tard.",
    Reason.CERTIFICATE: "l'adresse de la plateforme n'est pas sûre ; prévenez la personne qui "
    "exploite cette application.",
    Reason.REDIRECT: "l'adresse de la plateforme a changé ; prévenez la personne qui exploite "
    "cette application.",
    Reason.NOT_THE_API: "l'adresse de la plateforme n'est pas la bonne ; prévenez la personne qui "
    "exploite cette application.",
    Reason.BLOCKED: "le réseau refuse la demande avant la plateforme ; prévenez la personne qui "
    "exploite cette application.",
    Reason.QUERY_REFUSED: "la plateforme a changé et ne comprend plus cette application ; "
    "prévenez la personne qui l'exploite.",
    Reason.UNEXPECTED: "la réponse de la plateforme est incompréhensible, rien n'a été "
    "enregistré ; si cela dure, prévenez la personne qui exploite cette application.",
    Reason.FILE_ELSEWHERE: "l'adresse de ce fichier n'est pas sûre, rien n'en a été pris ; "
    "ouvrez-le sur la plateforme, et prévenez la personne qui exploite cette application.",
}
