"""How often things may happen, counted in the cache.

Beyond a limit the answer is the same, and nothing is sent. Mails are counted when they are sent:
attempts by somebody else silence nobody. What is counted stands there under a digest.
"""

import ipaddress
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache

from dsintegration.usager.addresses import digest

MINUTE, HOUR = 60, 3600


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
MAILS_OF_ADDRESS = Limit("mails_of_address", 10, 30 * MINUTE)
# Calls to the platform: each for a dossier that we know, then all for numbers that we do not.
CALLS_OF_DOSSIER = Limit("calls_of_dossier", 1, MINUTE)
UNKNOWN_NUMBERS = Limit("unknown_numbers", 60, HOUR)
UNKNOWN_NUMBERS_OF_NETWORK = Limit("unknown_numbers_of_network", 10, HOUR)
REFRESHES = Limit("refreshes", 1, MINUTE)  # « Actualiser », for each dossier


def network_of(address: str) -> str:
    """Who counts as one: an IPv4 address, or the /64 that an IPv6 subscriber has to himself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)
