"""What a refresh came to."""

from dataclasses import dataclass, field

from dsintegration.exceptions import DossierNotFound, DSAccessDenied, DSError


@dataclass
class Tally:
    """`failures`: one a kind, absences apart."""

    fetched: int = 0
    changed: int = 0
    checked: int = 0
    absent: int = 0
    denied: int = 0
    failed: int = 0
    failures: dict[type[DSError], DSError] = field(default_factory=dict)
    stopped_by: DSError | None = None

    @property
    def counts(self) -> dict[str, int]:
        names = ("fetched", "changed", "checked", "absent", "denied", "failed")
        return {name: getattr(self, name) for name in names}

    @property
    def is_in_vain(self) -> bool:
        """Nothing came, for a reason that is no dossier's own: the platform is down, even where
        too little was asked for to be sure of it.
        """
        is_down = any(not err.concerns_dossier for err in self.failures.values())
        return is_down and not (self.fetched or self.checked or self.absent)

    def add(self, err: DSError) -> None:
        if isinstance(err, DossierNotFound):
            self.absent += 1
            return
        self.failures.setdefault(type(err), err)
        if isinstance(err, DSAccessDenied):
            self.denied += 1
        else:
            self.failed += 1
