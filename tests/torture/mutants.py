"""A trial by mutation: one small break at a time, and whether any test sees it.

    python -m tests.torture.mutants [ROUNDS] [SEED] [ROOM...] > mutants.txt
    python -m tests.torture.mutants mutants.txt

Every mutant of the rooms, or ROUNDS of them at random, after those that once survived. A room is
a folder, a file or a line, as "mirror", "mirror/turn.py" or "mirror/turn.py:54"; by default all of
ROOMS. Then those that survived, and single lines, with more of their tests.

The tests are collected once, and run once to learn which lines each of them executes; then each
mutant has a fork of this process, where the code of its function is replaced, and which runs the
tests of its lines, those that are most about them first, until one fails. What is executed while
modules are imported needs a process of its own. On SQLite; as many forks as this process may use
processors (`taskset -c 0` for one).
"""

import gc
import hashlib
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import partial
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import django.test.utils
import pytest

from tests.torture.mutations import APP, PROJECT, Mutant, mutants_of, named

ROOMS = ("refresh", "mirror", "platform", "purging.py", "payloads", "moments.py")
# Of the tests that execute a mutant, those that take so many seconds of a processor together are
# run; more of them where single lines are asked for.
SECONDS, ALL = 5.0, 60.0
# A mutant whose tests take so much longer than they should hangs.
PATIENCE = 60.0
# Tests that have other processes do it (they would not see the mutant), or of other rooms.
IGNORED = (
    *("bench", "torture", "e2e", "host", "usager", "oidc", "config"),
    "management/test_process.py",
)
LEARNT = PROJECT / ".pytest_cache" / "mutants.pickle"
# Killed by the first of its tests, the second… What breaks here is a failure of the trial.
ALIVE, KILLED, MOST, BROKEN = 0, 1, 200, 250
# Django, and what it takes along, is there before pytest is.
REWRITES = "ignore::pytest.PytestAssertRewriteWarning"
OPTIONS = ("-q", "--tb=no", "-p", "no:randomly", "-p", "no:cacheprovider", "-W", REWRITES)

NAMED = (
    (
        "refresh/lists.py",
        "(plan.numbers(Kind.PENDING) - moved) | erased",
        "plan.numbers(Kind.PENDING) | erased",
    ),
    (
        "mirror/absences.py",
        'unmoved.filter(moment.is_after_column("checked_at"), pk__in=pks)',
        "unmoved.filter(pk__in=pks)",
    ),
    (
        "platform/client.py",
        "raise network_failure(err) from None",
        "raise network_failure(err) from err",
    ),
    ("payloads/fields.py", "hide_input_in_errors=True", "hide_input_in_errors=False"),
    (
        "moments.py",
        "(modified, self.sent_at) < (stored_modified, stored_at)",
        "(modified, self.sent_at) <= (stored_modified, stored_at)",
    ),
)


@dataclass
class Learnt:
    """Of each test that passes: its seconds, and the lines of the rooms that it executes."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)

    def tests_for(self, mutant: Mutant, most: float, *, is_imported: bool) -> list[str]:
        """Those that execute it, for so many seconds in all: first those that are quick, of its
        room, mostly about its file, and killed others of it.
        """
        path, room = str(mutant.file), mutant.path.partition("/")[0].removesuffix(".py")

        def cost(test: str) -> float:
            here = len(self.lines[test][path])
            everywhere = sum(map(len, self.lines[test].values()))
            merits = 1 + 4 * self.kills[path, test] + 8 * (room in test.partition("::")[0])
            return (self.seconds[test] + 0.02) * everywhere / here / merits

        found = [
            test
            for test, lines in self.lines.items()
            if path in lines and (is_imported or lines[path].intersection(mutant.lines))
        ]
        chosen, left = [], most
        for test in sorted(found, key=cost):
            if not chosen or self.seconds[test] <= left:
                chosen.append(test)
                left -= self.seconds[test]
        return chosen


class Tracer:
    """The lines of some files that are executed, in every thread that starts meanwhile."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.lines: dict[str, set[int]] = {str(file): set() for file in files}

    def __call__(self, frame: types.FrameType, event: str, arg: Any) -> Callable | None:
        return self.line if frame.f_code.co_filename in self.lines else None

    def line(self, frame: types.FrameType, event: str, arg: Any) -> Callable:
        self.lines[frame.f_code.co_filename].add(frame.f_lineno)
        return self.line

    def taken(self) -> dict[str, set[int]]:
        """What was executed since it was last asked."""
        lines, self.lines = self.lines, {path: set() for path in self.lines}
        return {path: numbers for path, numbers in lines.items() if numbers}

    def start(self) -> None:
        threading.settrace(self)
        sys.settrace(self)

    def stop(self) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]


class Outcomes:
    """A plugin of pytest: the tests that failed."""

    def __init__(self, at_failure: Callable[[str], None]) -> None:
        self.at_failure, self.failed = at_failure, set[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
            self.at_failure(report.nodeid)


def run(
    items: Sequence[pytest.Item], at_failure: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[pytest.Item, bool]]:
    """Each of these tests, and whether it passed."""
    outcomes = Outcomes(at_failure)
    items[0].config.pluginmanager.register(outcomes)
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        yield item, item.nodeid not in outcomes.failed


class Forks:
    """Pieces of work, each in a fork of this process; as many at once as there are processors."""

    def __init__(self) -> None:
        self.at_once = len(os.sched_getaffinity(0))
        self.running: dict[int, tuple[Any, float]] = {}

    def outcomes(
        self, works: Iterable[tuple[Any, Callable[[], int], float]]
    ) -> Iterator[tuple[Any, int]]:
        """Of each work, given with its name and the seconds it may take: its name and its status,
        or minus a signal."""
        try:
            for name, work, seconds in works:
                while len(self.running) >= self.at_once:
                    yield from self._ended()
                self.running[self._fork(work)] = name, time.monotonic() + seconds
            while self.running:
                yield from self._ended()
        finally:
            for pid in self.running:
                os.killpg(pid, signal.SIGKILL)

    def _fork(self, work: Callable[[], int]) -> int:
        pid = os.fork()
        if pid:
            return pid
        os.setsid()
        status = BROKEN
        try:
            status = work()
        except BaseException:  # noqa: BLE001 - a fork never goes back to where it came from
            traceback.print_exc()
        finally:
            os._exit(status)

    def _ended(self) -> Iterator[tuple[Any, int]]:
        time.sleep(0.005)
        for pid, (name, until) in list(self.running.items()):
            if time.monotonic() > until:
                os.killpg(pid, signal.SIGKILL)
            done, status = os.waitpid(pid, 0 if time.monotonic() > until else os.WNOHANG)
            if done:
                del self.running[pid]
                yield name, os.waitstatus_to_exitcode(status)


class Database:
    """A migrated database of SQLite, of which every fork takes a copy of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def create(self) -> None:
        from django.db import connections

        connections["default"].settings_dict["TEST"]["NAME"] = str(self.place / "first.sqlite3")
        django.test.utils.setup_databases(verbosity=0, interactive=False)
        connections.close_all()

    def take(self) -> None:
        """From now on this process has a copy, and pytest is not to make any."""
        from django.db import connections

        copy = self.place / f"{os.getpid()}.sqlite3"
        shutil.copy(self.place / "first.sqlite3", copy)
        connections["default"].settings_dict["NAME"] = str(copy)
        django.test.utils.setup_databases = lambda **_: []
        django.test.utils.teardown_databases = lambda *_, **__: None

    def give_back(self) -> None:
        for file in self.place.glob(f"{os.getpid()}.*"):
            file.unlink()


class Trial:
    """A plugin of pytest: in place of running the tests once, runs them for every mutant."""

    def __init__(
        self, mutants: Sequence[Mutant], most: float, database: Database, tracer: Tracer
    ) -> None:
        self.mutants, self.most, self.database, self.tracer = mutants, most, database, tracer
        self.imported = tracer.taken()
        self.learnt, self.forks = Learnt(), Forks()
        self.found: dict[str, list[Mutant]] = defaultdict(list)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        session.config.pluginmanager.unregister(name="terminalreporter")
        self.items = {item.nodeid: item for item in session.items}
        self.functions = functions_of(self.tracer.lines)
        gc.freeze()
        self._learn()
        for (mutant, tests), status in self.forks.outcomes(self._works()):
            if status == BROKEN:
                raise SystemExit(f"{mutant} could not be tried")
            if status >= KILLED:
                self.learnt.kills[str(mutant.file), tests[status - KILLED]] += 1
            outcome = "SURVIVED" if status == ALIVE else "killed" if status > 0 else "timed out"
            self._note(mutant, outcome)
        return True

    def _note(self, mutant: Mutant, outcome: str) -> None:
        self.found[outcome].append(mutant)
        print(f"{outcome:9} {mutant}", flush=True)

    def _learn(self) -> None:
        """Run each file of tests that is new or changed. Of the others is known what they executed
        of the rooms as these were then.
        """
        sources = {path: Path(path).read_text(encoding="utf-8") for path in self.tracer.lines}
        known: dict[str, Any] = pickle.loads(LEARNT.read_bytes()) if LEARNT.exists() else {}
        by_file = defaultdict(list)
        for item in self.items.values():
            by_file[item.path].append(item)
        keys = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in by_file}
        works = [
            (path, partial(self._learn_of, items, path), 1800.0)
            for path, items in by_file.items()
            if keys[path] not in known
        ]
        for path, status in self.forks.outcomes(works):
            if status:
                raise SystemExit(f"{path}: its tests do not run here ({status})")
            print(f"learnt    {path.relative_to(PROJECT)}", flush=True)
            known[keys[path]] = pickle.loads(self._place_of(path).read_bytes()), sources
            LEARNT.parent.mkdir(exist_ok=True)
            LEARNT.write_bytes(pickle.dumps(known))
        for key in keys.values():
            learnt, then = known[key]
            self.learnt.seconds |= learnt.seconds
            moves = {path: moved_lines(then.get(path, ""), now) for path, now in sources.items()}
            for test, lines in learnt.lines.items():
                self.learnt.lines[test] = {
                    path: {now for line in numbers for now in moves[path].get(line, ())}
                    for path, numbers in lines.items()
                    if path in moves
                }

    def _place_of(self, path: Path) -> Path:
        return self.database.place / f"{hashlib.sha256(bytes(path)).hexdigest()}.pickle"

    def _learn_of(self, items: Sequence[pytest.Item], path: Path) -> int:
        self.database.take()
        learnt = Learnt()
        self.tracer.start()
        started = time.process_time()
        for item, has_passed in run(items):
            self.tracer.start()  # a test that meets the limit of recursion ended it
            ended, lines = time.process_time(), self.tracer.taken()
            if has_passed:
                learnt.seconds[item.nodeid], learnt.lines[item.nodeid] = ended - started, lines
            else:
                print(f"FAILS     {item.nodeid}", flush=True)
            started = time.process_time()
        self.tracer.stop()
        self.database.give_back()
        self._place_of(path).write_bytes(pickle.dumps(learnt))
        return ALIVE

    def _works(self) -> Iterator[tuple[Any, Callable[[], int], float]]:
        """Those last that need a process of their own: each costs as much as ten others."""
        for mutant in sorted(self.mutants, key=self._is_imported):
            is_imported = self._is_imported(mutant)
            tests = self.learnt.tests_for(mutant, self.most, is_imported=is_imported)
            if not tests:
                self._note(mutant, "NO TEST")
                continue
            work = partial(self._afresh if is_imported else self._here, mutant, tests)
            seconds = PATIENCE + 5 * sum(self.learnt.seconds[test] for test in tests)
            yield (mutant, tests), work, seconds

    def _functions(self, mutant: Mutant) -> list[Any]:
        return self.functions.get((str(mutant.file), mutant.owner), [])

    def _is_imported(self, mutant: Mutant) -> bool:
        """Whether it has its effect while its module is imported; or its code cannot be replaced,
        as that of a method with `super()`.
        """
        imported = self.imported.get(str(mutant.file), set())
        codes = [function.__code__ for function in self._functions(mutant)]
        is_bound = any(code.co_freevars for code in codes)
        return not codes or is_bound or bool(imported.intersection(mutant.lines))

    def _here(self, mutant: Mutant, tests: Sequence[str]) -> int:
        code = code_of(mutant)
        for function in self._functions(mutant):
            function.__code__ = code
        self.database.take()

        # What follows a failure (its tables are emptied…) takes longer than most tests.
        def die(killer: str) -> None:
            self.database.give_back()
            os._exit(min(KILLED + tests.index(killer), MOST))

        list(run([self.items[test] for test in tests], at_failure=die))
        self.database.give_back()
        return ALIVE

    def _afresh(self, mutant: Mutant, tests: Sequence[str]) -> int:
        given = self.database.place / f"{os.getpid()}.given"
        given.write_bytes(pickle.dumps((str(mutant.file), mutant.source, tests, self.database)))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, f"--one={given}"])


def moved_lines(before: str, after: str) -> dict[int, list[int]]:
    """Where each line of a file is now; a new one is with the last old one before it."""
    if before == after:
        return {line: [line] for line in range(1, after.count("\n") + 2)}
    moves: dict[int, list[int]] = defaultdict(list)
    old, new = before.splitlines(), after.splitlines()
    for kind, was, until, now, end in SequenceMatcher(None, old, new, False).get_opcodes():
        for step in range(end - now):
            line = was + step if kind == "equal" else min(was + step, until - 1)
            moves[max(line, 0) + 1].append(now + step + 1)
    return moves


def functions_of(paths: Iterable[str]) -> dict[tuple[str, tuple[str, int]], list[Any]]:
    """The functions of these files that live in this process, by file, name and first line."""
    found = defaultdict(list)
    wanted = set(paths)
    for each in gc.get_objects():
        if isinstance(each, types.FunctionType) and each.__code__.co_filename in wanted:
            code = each.__code__
            found[code.co_filename, (code.co_qualname, code.co_firstlineno)].append(each)
    return found


def code_of(mutant: Mutant) -> types.CodeType:
    """The code of the function that holds the mutant, with it."""
    codes = [compile(mutant.source, mutant.file, "exec", dont_inherit=True)]
    for code in codes:
        if (code.co_qualname, code.co_firstlineno) == mutant.owner:
            return code
        codes += [const for const in code.co_consts if isinstance(const, types.CodeType)]
    raise LookupError(mutant)


def try_afresh(given: Path) -> int:
    """In this new process, import the mutant in place of its module and run the tests."""
    file, source, tests, database = pickle.loads(given.read_bytes())
    given.unlink()
    get_code = SourceFileLoader.get_code

    def get_broken(loader: SourceFileLoader, name: str) -> types.CodeType | None:
        if loader.path == file:
            return compile(source, file, "exec", dont_inherit=True)
        return get_code(loader, name)

    SourceFileLoader.get_code = get_broken
    try:
        django.setup()
        database.take()
        return KILLED if pytest.main([*OPTIONS, "-x", *tests]) else ALIVE
    finally:
        database.give_back()


def chosen(rooms: Sequence[str], rounds: int, seed: int) -> list[Mutant]:
    """Those that survived once, then `rounds` others, or all."""
    first = [named(*each) for each in NAMED if each[0].startswith(tuple(rooms))]
    every = [
        mutant
        for room, _, line in (room.partition(":") for room in rooms)
        for file in files_of(room)
        for mutant in mutants_of(file)
        if not line or mutant.at[0] == int(line)
    ]
    return first + (random.Random(seed).sample(every, min(rounds, len(every))) if rounds else every)


def survivors(printed: Path) -> list[Mutant]:
    """Of what a trial printed: those that survived, and are still there."""
    lines = printed.read_text(encoding="utf-8").splitlines()
    names = {line.removeprefix("SURVIVED").strip() for line in lines if line.startswith("SURVIVED")}
    every = (mutant for room in ROOMS for file in files_of(room) for mutant in mutants_of(file))
    return [mutant for mutant in every if str(mutant) in names]


def files_of(room: str) -> list[Path]:
    place = APP / room
    return sorted(place.glob("*.py")) if place.is_dir() else [place]


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.pop("DATABASE_URL", None)
    if sys.argv[1:] and sys.argv[1].startswith("--one="):
        raise SystemExit(try_afresh(Path(sys.argv[1].removeprefix("--one="))))
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    rooms = [word for word in sys.argv[1:] if not word.isdecimal()] or list(ROOMS)
    is_again = len(rooms) == 1 and rooms[0].endswith(".txt")
    mutants = survivors(Path(rooms[0])) if is_again else chosen(rooms, *(*numbers, 0, 0)[:2])
    tracer = Tracer(file for room in ROOMS for file in files_of(room))
    with tempfile.TemporaryDirectory() as folder:
        tracer.start()
        django.setup()
        database = Database(Path(folder))
        database.create()
        for file in tracer.lines:
            import_module(".".join(Path(file).relative_to(PROJECT).with_suffix("").parts))
        tracer.stop()
        most = ALL if is_again or all(":" in room for room in rooms) else SECONDS
        trial = Trial(mutants, most, database, tracer)
        ignored = [f"--ignore=tests/{name}" for name in IGNORED]
        status = pytest.main([*OPTIONS, *ignored], plugins=[trial])
    report(trial.found)
    raise SystemExit(status)


def report(found: dict[str, list[Mutant]]) -> None:
    for path in sorted({mutant.path for mutants in found.values() for mutant in mutants}):
        counts = [
            f"{sum(mutant.path == path for mutant in mutants):4} {outcome}"
            for outcome, mutants in sorted(found.items())
        ]
        print(f"{path:28}", *counts)
    print(*(f"{len(mutants)} {outcome}" for outcome, mutants in sorted(found.items())), sep=", ")


if __name__ == "__main__":
    main()
