"""A trial by mutation: one broken line at a time, in a copy of the project, and whether the tests
of its room see it.

    python -m tests.torture.mutants [ROUNDS] [SEED] [ROOM...]

The named ones come first: each survived once. Then some at random, by their seed. A room is a
folder or a file, as "mirror" or "mirror/turn.py"; by default all of TESTS.
"""

import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
APP = "dsintegration"
TRUTH = "tests/refresh/test_truth.py"
# The first that fits, the narrowest first: what should see it, and does so in seconds.
TESTS = {
    "platform/lists.py": (
        TRUTH,
        "tests/refresh/test_following.py",
        "tests/refresh/test_refresh.py",
    ),
    "platform/batches.py": ("tests/platform/test_batches.py", TRUTH),
    "platform/outage.py": ("tests/platform/test_batches.py", TRUTH),
    "platform/tokens.py": ("tests/refresh/test_tokens.py", "tests/platform/test_client.py"),
    "platform": ("tests/platform", TRUTH),
    "mirror/turn.py": (TRUTH, "tests/refresh/test_refresh.py"),
    "mirror/following.py": (
        "tests/refresh/test_following.py",
        "tests/refresh/test_tokens.py",
        TRUTH,
    ),
    "mirror/erasing.py": ("tests/test_purging.py", "tests/mirror"),
    "mirror/summary.py": ("tests/admin",),
    "mirror": ("tests/test_services.py", "tests/mirror", TRUTH, "tests/refresh/test_following.py"),
    "refresh": (TRUTH, "tests/refresh/test_following.py", "tests/refresh/test_refresh.py"),
    "purging.py": ("tests/test_purging.py", TRUTH),
    "payloads.py": ("tests/test_payloads.py", "tests/refresh/test_following.py", TRUTH),
    "moments.py": (TRUTH, "tests/test_services.py"),
}
ROOMS = ("platform", "mirror", "refresh", "purging.py", "payloads.py", "moments.py")
SWAPS = [
    (r" <= ", " < "),
    (r" < ", " <= "),
    (r" >= ", " > "),
    (r" > ", " >= "),
    (r" and ", " or "),
    (r" or ", " and "),
    (r"(?<!\")\bnot ", ""),
    (r" is None", " is not None"),
    # `zip` of what is as long anyway, and classes that nobody tries to change: nothing to see.
    (r"(?<!strict=)(?<!frozen=)\bTrue\b", "False"),
    (r" - ", " + "),
    (r" \+ ", " - "),
    (r" & ", " | "),
    (r"__lte", "__lt"),
    (r"__gt\b", "__gte"),
    (r"return$", "pass"),
]


@dataclass(frozen=True)
class Mutant:
    path: str
    before: str
    after: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path}: {self.before.strip()}  ->  {self.after.strip()}"


NAMED = [
    Mutant(
        "refresh/lists.py",
        "gone = (plan.numbers(Kind.PENDING) - moved) | erased",
        "gone = plan.numbers(Kind.PENDING) | erased",
        ("tests/refresh/test_truth.py::TestVouchedForThoughGone",),
    ),
    Mutant(
        "mirror/absences.py",
        'unmoved.filter(moment.is_after_column("checked_at"), pk__in=pks)',
        "unmoved.filter(pk__in=pks)",
        ("tests/refresh/test_truth.py::TestClocks",),
    ),
    Mutant(
        "platform/client.py",
        "raise network_failure(err) from None",
        "raise network_failure(err) from err",
        ("tests/platform/test_client.py::TestNetwork",),
    ),
    Mutant(
        "payloads.py",
        "hide_input_in_errors=True",
        "hide_input_in_errors=False",
        ("tests/test_payloads.py",),
    ),
    Mutant(
        "moments.py",
        "(modified, self.sent_at) < (stored_modified, stored_at)",
        "(modified, self.sent_at) <= (stored_modified, stored_at)",
        ("tests/refresh/test_truth.py::TestClocks",),
    ),
]


def files_of(room: str) -> list[Path]:
    place = PROJECT / APP / room
    return sorted(place.glob("*.py")) if place.is_dir() else [place]


def all_of(rooms: Sequence[str]) -> list[Mutant]:
    """Every line of the rooms that one swap can change, once for each swap."""
    mutants = []
    for path in (path for room in rooms for path in files_of(room)):
        name = str(path.relative_to(PROJECT / APP))
        tests = next(tests for room, tests in TESTS.items() if name.startswith(room))
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            is_code = not re.match(r"\s*(#|\"|from |import )", line) and '"""' not in line
            if not is_code or text.count(line) != 1:
                continue
            mutants += [
                Mutant(name, line, re.sub(old, new, line, count=1), tests)
                for old, new in SWAPS
                if re.search(old, line)
            ]
    return mutants


def is_killed(mutant: Mutant, copy: Path) -> bool:
    path = copy / APP / mutant.path
    text = path.read_text(encoding="utf-8")
    if mutant.before not in text:
        raise SystemExit(f"{mutant.path}: no such line any more: {mutant.before}")
    path.write_text(text.replace(mutant.before, mutant.after, 1), encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *mutant.tests]
        run = subprocess.run(command, cwd=copy, capture_output=True, check=False, timeout=600)
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(text, encoding="utf-8")
    return run.returncode == 1


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    rooms = [word for word in sys.argv[1:] if not word.isdecimal()] or ROOMS
    rounds, seed = (*numbers, 0, 0)[:2]
    mutants = all_of(rooms)
    named = [mutant for mutant in NAMED if mutant.path.startswith(tuple(rooms))]
    chosen = named + random.Random(seed).sample(mutants, min(rounds, len(mutants)))
    killed, survivors = Counter[str](), list[Mutant]()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        leave = shutil.ignore_patterns(".git", "*.sqlite3*", "__pycache__")
        shutil.copytree(PROJECT, copy, symlinks=True, ignore=leave)
        for mutant in chosen:
            is_dead = is_killed(mutant, copy)
            if is_dead:
                killed[mutant.path] += 1
            else:
                survivors.append(mutant)
            print("killed  " if is_dead else "SURVIVED", mutant, flush=True)
    print(f"{len(chosen)} of {len(mutants)} mutants, {len(survivors)} survivors (seed {seed})")
    for path in sorted({mutant.path for mutant in chosen}):
        alive = sum(mutant.path == path for mutant in survivors)
        print(f"  {path:24} {killed[path]:3} killed {alive:3} alive")
    for mutant in survivors:
        print(mutant)


if __name__ == "__main__":
    main()
