"""Our settings, before anything is sent."""

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from dsintegration import conf
from dsintegration.checks import NOTICE
from dsintegration.diagnosis.finding import Check, Finding
from dsintegration.platform.client import Client

# Seconds for each request, from the name look-up to the last byte.
BUDGET = 30.0


def open_client() -> Client:
    """A client of its own: no connection of a former call hides what is wrong with a new one.

    Raises ImproperlyConfigured for any of the settings that a fetch needs, proxies included.
    """
    for reader in conf.READERS:
        reader()
    client = Client(conf.api_url(), conf.api_token(), timeouts=conf.timeouts(), budget=BUDGET)
    assert client.transport  # noqa: S101  # opens it, and so reads the proxies and authorities
    return client


def check_settings() -> Finding:
    """Settings that are well-formed: what they say of the token."""
    if conf.sandbox():
        return Finding(Check.SETTINGS, True, "le bac à sable répond (DS_SANDBOX=1).")
    where = f"{conf.origin_of(conf.api_url())} (DS_API_URL)"
    day, today = conf.api_token_expires(), timezone.localdate()
    if day and day < today:
        sentence = (
            f"le jeton a expiré le {day:%d/%m/%Y}, d'après DS_API_TOKEN_EXPIRES ; créez-en un "
            "autre dans le profil de l'administrateur, puis remplacez DS_API_TOKEN et "
            "DS_API_TOKEN_EXPIRES."
        )
        return Finding(Check.SETTINGS, False, sentence, ImproperlyConfigured)
    if day and day - today <= NOTICE:
        sentence = (
            f"le jeton expire le {day:%d/%m/%Y}, d'après DS_API_TOKEN_EXPIRES ; d'ici là, "
            "créez-en un autre, et remplacez DS_API_TOKEN et DS_API_TOKEN_EXPIRES."
        )
        return Finding(Check.SETTINGS, False, sentence, ends_soon=True)
    remarks = [where]
    if not conf.api_token_is_usual():
        remarks.append(
            "attention, DS_API_TOKEN n'a pas la longueur habituelle (84 caractères) : vérifiez "
            "qu'il a été copié en entier, avec les signes = de la fin"
        )
    if day is None:
        remarks.append(
            "DS_API_TOKEN_EXPIRES n'est pas rempli : un jeton vit un an au plus, notez-y son "
            "dernier jour"
        )
    else:
        remarks.append(f"le jeton expire le {day:%d/%m/%Y}")
    if conf.lacks_system_emails():
        remarks.append(
            "attention, DS_SYSTEM_EMAILS n'est pas rempli : les messages automatiques de cette "
            "instance passent pour ceux d'une personne"
        )
    return Finding(Check.SETTINGS, True, " ; ".join(remarks) + ".")
