"""The OpenAPI document as the few things that its page shows."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    description: SafeString


@dataclass(frozen=True)
class Answer:
    status: str
    description: SafeString
    codes: list[str]
    headers: list[str]


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    description: SafeString
    parameters: list[Field]
    answers: list[Answer]
    example: str


@dataclass(frozen=True)
class Shape:
    name: str
    fields: list[Field]


PLACES = {"path": " (dans l'adresse)", "query": "", "header": " (en-tête)"}
KINDS = {
    "date": "jour",
    "string": "texte",
    "integer": "nombre entier",
    "number": "nombre",
    "object": "paires",
    "boolean": "vrai ou faux",
    "date-time": "moment",
    "uri": "adresse",
}


def read_operations(schema: dict[str, Any]) -> list[Operation]:
    return [
        _operation(path, method, operation)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]


def read_schemas(schema: dict[str, Any]) -> list[Shape]:
    """The objects that answers are made of; pages and codes are told in words."""
    return [
        Shape(
            name,
            [
                Field(
                    field,
                    _kind(shape, required=field in component.get("required", ())),
                    _described(shape),
                )
                for field, shape in component["properties"].items()
            ],
        )
        for name, component in schema["components"]["schemas"].items()
        if component.get("type") == "object" and "results" not in component["properties"]
    ]


def _operation(path: str, method: str, operation: dict[str, Any]) -> Operation:
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=_marked(operation["description"]),
        parameters=[
            Field(
                parameter["name"],
                _kind(parameter["schema"]) + PLACES[parameter["in"]],
                _marked(parameter.get("description", "")),
            )
            for parameter in operation.get("parameters", [])
        ],
        answers=[_answer(status, answer) for status, answer in operation["responses"].items()],
        example=_example(operation["responses"]["200"]),
    )


def _answer(status: str, answer: dict[str, Any]) -> Answer:
    examples = _content(answer).get("examples", {}).values()
    return Answer(
        status=status,
        description=_marked(answer["description"]),
        codes=[example["value"]["code"] for example in examples if "code" in example["value"]],
        headers=list(answer.get("headers", {})),
    )


def _content(answer: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = answer.get("content", {}).get("application/json", {})
    return content


def _example(answer: dict[str, Any]) -> str:
    if not (examples := _content(answer).get("examples")):  # bytes
        return ""
    example = next(iter(examples.values()))
    return json.dumps(example["value"], ensure_ascii=False, indent=2)


def _kind(shape: dict[str, Any], *, required: bool = True) -> str:
    """What a value is, in a few French words."""
    if "$ref" in shape or "allOf" in shape:
        kind = _name(shape.get("$ref") or shape["allOf"][0]["$ref"])
    elif "oneOf" in shape:
        kind = "texte"
    elif "anyOf" in shape:
        choices = [choice | {"nullable": False} for choice in shape["anyOf"]]
        kind = " ou ".join(KINDS.get(one.get("format", "")) or _kind(one) for one in choices)
    elif "type" not in shape:
        kind = "valeurs"
    elif shape["type"] == "array":
        kind = f"liste de {_kind(shape['items'])}"
    else:
        kind = KINDS.get(shape.get("format", ""), KINDS[shape["type"]])
    nullable = any(one.get("nullable") for one in (shape, *shape.get("anyOf", ())))
    nullable |= {"$ref": "#/components/schemas/NullEnum"} in shape.get("oneOf", ())
    return kind + (" ou null" if nullable else "") + ("" if required else ", facultatif")


def _name(ref: str) -> str:
    return ref.rpartition("/")[2]


def _described(shape: dict[str, Any]) -> SafeString:
    parts = [shape.get("title", ""), shape.get("description", "")]
    return _marked(" : ".join(part for part in parts if part))


def _marked(text: str) -> SafeString:
    """With what stands between backticks as code; descriptions use no more of Markdown."""
    shapes = ("{}", "<code>{}</code>")
    pieces = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html(shapes[place % 2], piece),) for place, piece in pieces)
    )
