"""What the trial by mutation breaks: one small change of a room's source for each mutant.

Not touched: annotations, f-strings, logging, and what cannot show (`zip(strict=True)`, frozen
classes, `from err`, which only adds to a traceback).
"""

import ast
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
APP = PROJECT / "dsintegration"

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
LOOKUPS = {"lte": "lt", "lt": "lte", "gte": "gt", "gt": "gte"}
# Calls that narrow or write rows: each of their conditions and columns must matter.
QUERIES = {"filter", "exclude", "update", "Q", "get", "update_or_create", "get_or_create"}
SAYS_NOTHING = re.compile(r"log(ger)?\.\w+\(|logging\.|warnings\.")
UNSEEN = {"strict", "frozen", "slots", "default_auto_field"}


@dataclass(frozen=True)
class Mutant:
    """`at`: where in the text (a line and a column of bytes, from 1 and 0) `before` begins."""

    path: str
    at: tuple[int, int]
    before: str
    after: str

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}:{self.at[0]}: {before}  ->  {after or '(dropped)'}"

    @property
    def file(self) -> Path:
        return APP / self.path

    @cached_property
    def source(self) -> str:
        text = _text(self.file)
        start = sum(len(line) for line in text.splitlines(keepends=True)[: self.at[0] - 1])
        start += self.at[1]
        end = start + len(self.before.encode())
        return (text[:start] + self.after.encode() + text[end:]).decode()

    @property
    def lines(self) -> range:
        return range(self.at[0], self.at[0] + self.before.count("\n") + 1)

    @cached_property
    def owner(self) -> tuple[str, int] | None:
        """The outermost function that holds it, by its name and first line; None: the module."""
        return _owner(_parsed(self.file), self.at)


@cache
def _text(file: Path) -> bytes:
    """As it was when the trial began: one may go on working on it."""
    return file.read_bytes()


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(_text(file))


def _owner(tree: ast.AST, at: tuple[int, int], names: str = "") -> tuple[str, int] | None:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            if found := _owner(node, at, f"{names}{node.name}."):
                return found
        elif isinstance(node, ast.FunctionDef):
            first, last = node.body[0], node.body[-1]
            begins = (first.lineno, first.col_offset)
            if begins <= at <= (last.end_lineno or 0, last.end_col_offset or 0):
                line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                return f"{names}{node.name}", line
        elif found := _owner(node, at, names):
            return found
    return None


def named(path: str, before: str, after: str) -> Mutant:
    head, found, _ = _text(APP / path).decode().partition(before)
    if not found:
        raise SystemExit(f"{path}: no such text any more: {before}")
    column = len(head.rpartition("\n")[2].encode())
    return Mutant(path, (head.count("\n") + 1, column), before, after)


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Every mutant of a file, from its first line to its last."""
    text = _text(file).decode()
    path = str(file.relative_to(APP))
    found = {}
    for node in _nodes(_parsed(file)):
        before = ast.get_source_segment(text, node) if hasattr(node, "lineno") else None
        if before is None or SAYS_NOTHING.match(before):
            continue
        for other in _broken(node):
            after = ast.unparse(ast.fix_missing_locations(other))
            after = f"({after})" if isinstance(node, ast.expr) else after
            mutant = Mutant(path, (node.lineno, node.col_offset), before, after)
            found[mutant.at, before, after] = mutant
    yield from sorted(found.values(), key=operator.attrgetter("at"))


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What may be broken."""
    if isinstance(node, ast.JoinedStr):
        return
    yield node
    yield from _children(node)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Of a function, not the `return` that ends it: whatever tests there are see that."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns"}:
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.keyword) and child.arg in UNSEEN:
                continue
            if isinstance(child, ast.Return) and _ends(node, child):
                yield from _children(child)
            elif isinstance(child, ast.AST):
                yield from _nodes(child)


def _ends(node: ast.AST, child: ast.Return) -> bool:
    return isinstance(node, ast.FunctionDef) and child is node.body[-1]


def _broken(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[op]):
            yield ast.Compare(node.left, [SWAPS[type(op)]()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(SWAPS[type(node.op)](), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp() if type(node.op) in SWAPS and not _is_text(node):
            yield ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
            if isinstance(node.op, ast.Sub):
                yield node.left
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int()) if 0 <= node.value <= 100:
            yield ast.Constant(node.value + 1)
            if node.value:
                yield ast.Constant(node.value - 1)
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Call():
            yield from _calls(node)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _without_conditions(node)
        case ast.stmt():
            yield from _statements(node)


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(isinstance(side, ast.JoinedStr) for side in sides) or any(
        isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides
    )


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Raise(cause=ast.Constant(value=None)):
            yield ast.Raise(node.exc, None)
        case ast.Return() | ast.Expr(value=ast.Call()) | ast.Break():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.AugAssign(op=op) if type(op) in SWAPS:
            yield ast.AugAssign(node.target, SWAPS[type(op)](), node.value)
            yield ast.Pass()


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name not in QUERIES:
        return
    if name != "get" or node.keywords:
        for argument in node.args:
            rest = [each for each in node.args if each is not argument]
            yield ast.Call(node.func, rest, node.keywords)
    for keyword in node.keywords:
        others = [each for each in node.keywords if each is not keyword]
        yield ast.Call(node.func, node.args, others)
        head, _, lookup = (keyword.arg or "").rpartition("__")
        if lookup in LOOKUPS:
            swapped = ast.keyword(f"{head}__{LOOKUPS[lookup]}", keyword.value)
            changed = [swapped if each is keyword else each for each in node.keywords]
            yield ast.Call(node.func, node.args, changed)


def _without_conditions(node: ast.AST) -> Iterator[ast.AST]:
    for index, part in enumerate(node.generators):
        for condition in part.ifs:
            kept = [each for each in part.ifs if each is not condition]
            parts = list(node.generators)
            parts[index] = ast.comprehension(part.target, part.iter, kept, part.is_async)
            values = {field: getattr(node, field) for field in node._fields}
            yield type(node)(**values | {"generators": parts})
