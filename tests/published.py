"""What the platform publishes of its API; this project reads it where it lies, and has no copy."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "ds"
SCHEMA = FOLDER / "schema.graphql"
NEWER = FOLDER / "schema-2026-09.graphql"
SAMPLES = FOLDER / "responses"

needs_schema = pytest.mark.skipif(
    not SCHEMA.exists(), reason="the platform's published schema is not beside this project"
)


@cache
def schema(path: Path = SCHEMA) -> GraphQLSchema:
    return build_schema(path.read_text(encoding="utf-8"))


def samples() -> list[Any]:
    """A parameter a sample, or a skipped one that says why there is none."""
    index = SAMPLES / "index.json"
    if not index.exists():
        reason = "the platform's sample answers are not beside this project"
        return [pytest.param({}, id="none", marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(sample, id=sample["file"]) for sample in json.loads(index.read_text())]
