"""Whether time grows as a text does. Compared in one run: seconds depend on the machine."""

import gc
import time
from collections.abc import Callable

FEW, MANY = 100_000, 400_000


def is_linear(work: Callable[[str], object], part: str) -> bool:
    """Four times the text take about four times as long; sixteen times would be quadratic.

    In `part`, `{}` is a number that is another one each time.
    """

    def spent(letters: int) -> float:
        text = "".join(part.format(rank) for rank in range(letters // len(part)))
        before = time.thread_time()  # others of the tests may still be at work
        work(text)
        return time.thread_time() - before

    gc.disable()
    try:
        # Again where the machine did something else meanwhile.
        return any(spent(MANY) < 8 * spent(FEW) for _ in range(3))
    finally:
        gc.enable()
