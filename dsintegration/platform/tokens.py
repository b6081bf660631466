"""Several tokens, each for its démarches: which one to try first, and which one was refused.

They are known by a fingerprint, keyed by SECRET_KEY: it tells nothing of the token.
"""

from collections.abc import Iterable, Iterator

from django.core.cache import cache
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

# A refused token is tried again after so many seconds; till then a banner says so.
STEPS_ASIDE = 10 * 60
KEY = "dsintegration.refused."


@sensitive_variables()
def fingerprint(token: str) -> str:
    return salted_hmac("dsintegration.token", token, algorithm="sha256").hexdigest()[:32]


class Tokens:
    """Those of one client. `readers`: the fingerprint of the token that reads a démarche;
    `expected`: of the one that should read a dossier which is about to be asked for.
    """

    @sensitive_variables()
    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = {fingerprint(token): token for token in tokens}
        self.readers: dict[int, str] = {}
        self.expected: dict[int, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._tokens[name]

    @property
    def are_several(self) -> bool:
        return len(self._tokens) > 1

    @property
    def first(self) -> str:
        return next(iter(self._tokens))

    def in_order(self, preferred: str) -> Iterator[str]:
        """The preferred one first, those that were refused lately last."""
        if not self.are_several:
            return iter(self._tokens)
        refused = self.refused()
        names = sorted(self._tokens, key=lambda name: (name in refused, name != preferred))
        return iter(names)

    def refused(self) -> list[str]:
        """The fingerprints of those that the platform refused lately."""
        return list(cache.get_many([KEY + name for name in self._tokens]).values())

    def note_refusal(self, name: str) -> None:
        if self.are_several:
            cache.set(KEY + name, name, STEPS_ASIDE)
