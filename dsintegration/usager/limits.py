"""How often things may happen, counted in the cache.

Beyond a limit the answer is the same, and nothing is sent. Mails are counted when they are sent:
attempts by somebody else silence nobody. What is counted stands there under a digest.
"""

import ipaddress
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache

from dsintegration import conf
from dsintegration.usager.digests import digest

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600


@dataclass(frozen=True)
class Limit:
    """At most `count` in `seconds`, from the first one on, for each key."""

    name: str
    count: int
    seconds: int

    def has_room(self, key: object = "") -> bool:
        taken: int = cache.get(self._name(key), 0)
        return taken < self.count

    def take(self, key: object = "") -> bool:
        """Count one more, if there is room for it."""
        name = self._name(key)
        cache.add(name, 0, self.seconds)
        try:
            if cache.incr(name) <= self.count:
                return True
            cache.decr(name)
        except ValueError:  # the time was over between the two, or this cache keeps nothing
            return True
        return False

    def give_back(self, key: object = "") -> None:
        """Take back one that did not happen in the end."""
        if cache.get(self._name(key), 0) > 0:
            with suppress(ValueError):  # the time was over between the two
                cache.decr(self._name(key))

    def _name(self, key: object) -> str:
        return f"dsintegration.usager.{self.name}.{digest('limit', str(key))}"


ATTEMPTS = Limit("attempts", 30, 10 * MINUTE)  # for each network that asks
# No longer than a link lives: whoever has used them up for another leaves him a link that is good.
MAILS_OF_DOSSIER = Limit("mails_of_dossier", 5, 30 * MINUTE)
MAILS_OF_ADDRESS = Limit("mails_of_address", 20, DAY)
# Beyond both: nobody's requests can keep the mail of somebody else from leaving.
FIRST_MAIL_OF_NETWORK = Limit("first_mail_of_network", 1, DAY)
# Calls to the platform: each for a dossier that we know, then all for numbers that we do not.
CALLS_OF_DOSSIER = Limit("calls_of_dossier", 1, MINUTE)
UNKNOWN_NUMBERS = Limit("unknown_numbers", 300, HOUR)
REFRESHES = Limit("refreshes", 1, MINUTE)  # « Actualiser », for each dossier
LISTS = Limit("lists", 1, MINUTE)  # the other dossiers of whoever opened this one
# What failed is not tried again at once: the call of a dossier, or the platform as a whole.
FAILED_CALLS = Limit("failed_calls", 1, MINUTE)
OUTAGES = Limit("outages", 1, MINUTE)


def unknown_numbers_of_network() -> Limit:
    return Limit("unknown_numbers_of_network", conf.first_timers(), HOUR)


def take_mail(number: int, address: str, network: str) -> bool:
    """Count a mail about the dossier to the address, asked for by the network, if it may go."""
    is_first = FIRST_MAIL_OF_NETWORK.take((address, network))
    of_dossier, of_address = MAILS_OF_DOSSIER.take(number), MAILS_OF_ADDRESS.take(address)
    if is_first or (of_dossier and of_address):
        return True
    if of_dossier:
        MAILS_OF_DOSSIER.give_back(number)
    if of_address:
        MAILS_OF_ADDRESS.give_back(address)
    return False


def give_back_mail(number: int, address: str, network: str) -> None:
    """It did not leave."""
    FIRST_MAIL_OF_NETWORK.give_back((address, network))
    MAILS_OF_DOSSIER.give_back(number)
    MAILS_OF_ADDRESS.give_back(address)


def network_of(address: str) -> str:
    """Who counts as one: an IPv4 address, or the /56 that an IPv6 subscriber has to himself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip), 56), strict=False))
    return str(ip)
