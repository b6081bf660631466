"""What was tried, what survived, and what people saw of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.torture.whole import NotWhole


@dataclass
class Row:
    tried: int = 0
    survived: int = 0
    seen: Counter[str] = field(default_factory=Counter)


@dataclass
class Ledger:
    rows: dict[str, Row] = field(default_factory=dict)

    @contextmanager
    def attempt(self, name: str) -> Iterator[list[str]]:
        """One try; it gives a list for what people saw."""
        row = self.rows.setdefault(name, Row())
        row.tried += 1
        seen: list[str] = []
        try:
            yield seen
        except NotWhole as err:
            print(f"NOT SURVIVED  {name}: {err}", flush=True)
        else:
            row.survived += 1
            row.seen.update(seen)

    def has_survived(self) -> bool:
        return all(row.survived == row.tried for row in self.rows.values())

    def table(self) -> str:
        width = max(map(len, self.rows))
        lines = [f"{'fault':{width}}  tried  survived  seen"]
        for name, row in self.rows.items():
            seen = ", ".join(
                word if times == row.tried else f"{word} ×{times}"
                for word, times in row.seen.most_common(6)
            )
            lines.append(f"{name:{width}}  {row.tried:5}  {row.survived:8}  {seen}")
        tried, survived = (
            sum(getattr(row, name) for row in self.rows.values()) for name in ("tried", "survived")
        )
        return "\n".join([*lines, f"{'in all':{width}}  {tried:5}  {survived:8}"])
