"""A trial by mutation: `python -m tests.torture.mutants [ROUNDS]` breaks one line at a time, in a
copy of the project, and asks the tests of its room whether they see it.

The named ones come first: each survived once. Then some at random, by their seed.
"""

import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
APP = "dsintegration"
TESTS = {
    "platform": ["tests/platform/test_client.py", "tests/platform/test_batches.py"],
    "mirror": ["tests/test_services.py", "tests/refresh/test_truth.py"],
    "refresh": ["tests/refresh"],
    "purging.py": ["tests/test_purging.py", "tests/refresh/test_truth.py"],
    "payloads.py": ["tests/test_payloads.py", "tests/refresh/test_truth.py"],
    "moments.py": ["tests/refresh/test_truth.py", "tests/test_services.py"],
}
SWAPS = [
    (r" <= ", " < "),
    (r" < ", " <= "),
    (r" >= ", " > "),
    (r" > ", " >= "),
    (r" and ", " or "),
    (r" or ", " and "),
    (r"\bnot ", ""),
    (r" is None", " is not None"),
    (r"\bTrue\b", "False"),
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


def at_random(chance: random.Random) -> Mutant:
    """A line of one of the rooms, changed in one place."""
    while True:
        room = chance.choice(list(TESTS))
        place = PROJECT / APP / room
        path = chance.choice(sorted(place.glob("*.py"))) if place.is_dir() else place
        text = path.read_text(encoding="utf-8")
        lines = [
            line for line in text.splitlines() if not re.match(r"\s*(#|\"|from |import )", line)
        ]
        line, (old, new) = chance.choice(lines or [""]), chance.choice(SWAPS)
        if not line or '"""' in line or text.count(line) != 1 or not re.search(old, line):
            continue
        after = re.sub(old, new, line, count=1)
        return Mutant(str(path.relative_to(PROJECT / APP)), line, after, tuple(TESTS[room]))


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
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    chance = random.Random(seed)
    mutants = NAMED + [at_random(chance) for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        leave = shutil.ignore_patterns(".git", "*.sqlite3*", "__pycache__")
        shutil.copytree(PROJECT, copy, symlinks=True, ignore=leave)
        survivors = 0
        for mutant in mutants:
            killed = is_killed(mutant, copy)
            survivors += not killed
            print(
                f"{'killed' if killed else 'SURVIVED'}  {mutant.path}: "
                f"{mutant.before.strip()}  ->  {mutant.after.strip()}",
                flush=True,
            )
    print(f"{len(mutants)} mutants, {survivors} survivors (seed {seed})")


if __name__ == "__main__":
    main()
