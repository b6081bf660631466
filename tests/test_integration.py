"""docs/integration.md is what the project of tests/host does, to the letter."""

import re
import textwrap
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
HOST = PROJECT / "tests" / "host"
PAGE = (PROJECT / "docs" / "integration.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"^```(?:python|html)\n(?:# (?P<file>\S+)|<!-- (?P<page>\S+) -->)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# (the place below tests/host, what stands there)
PIECES = [(match["file"] or match["page"], match["text"]) for match in BLOCK.finditer(PAGE)]


def test_pieces_are_found():
    assert len(PIECES) >= 8


@pytest.mark.parametrize(("name", "piece"), PIECES, ids=[name for name, _ in PIECES])
def test_each_piece_stands_in_the_project(name, piece):
    written = [line.strip() for line in (HOST / name).read_text(encoding="utf-8").splitlines()]
    wanted = [line.strip() for line in textwrap.dedent(piece).splitlines()]
    assert any(written[start : start + len(wanted)] == wanted for start in range(len(written))), (
        piece
    )
