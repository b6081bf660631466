"""How time is measured: both sides of a ratio in turn, so that the machine's moods touch both."""

import statistics
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(ours: Callable[[], object], theirs: Callable[[], object], turns: int) -> str:
    """Our median over theirs."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(turns)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    return f"{mine / other:5.2f}   ({mine * 1000:.2f} ms over {other * 1000:.2f} ms)"
