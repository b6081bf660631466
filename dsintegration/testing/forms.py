"""Forms and answers as a test writes them, by their labels, and as the platform would tell them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django.utils import formats, translation

from dsintegration.sandbox.forms import Line, answer, champ_id
from dsintegration.sandbox.storage import file

# Labels, each with its type (« Siret », as the platform names it), or with the champs of a
# repetition in the same way.
Labels = Mapping[str, Any]
Answers = Mapping[str, Any] | Iterable[Mapping[str, Any]]


def lines_of(labels: Labels, first: int) -> tuple[Line, ...]:
    """Their ids count from `first`; those of a repetition begin a thousand further."""
    lines = []
    for key, (label, kind) in enumerate(labels.items(), start=first):
        if isinstance(kind, str):
            lines.append(Line(key, kind, label))
        else:
            inner = lines_of(kind, key * 1000)
            lines.append(Line(key, "Repetition", label, inner=inner))
    return tuple(lines)


def ids_of(lines: Iterable[Line]) -> dict[str, str]:
    found = dict[str, str]()
    for line in lines:
        found |= {line.label: champ_id(line.key)} | ids_of(line.inner)
    return found


def answers_of(lines: Iterable[Line], given: Answers, at: str) -> list[Mapping[str, Any]]:
    """The platform's own champs as they come; or the form's, answered by label, `at` a moment.

    Raises KeyError for a label that the form does not have.
    """
    if not isinstance(given, Mapping):
        return list(given)
    values = _by_key(lines, given, at)
    return [answer(line, values.get(line.key)) for line in lines]


def _by_key(lines: Iterable[Line], given: Mapping[str, Any], at: str) -> dict[int, Any]:
    by_label = {line.label: line for line in lines}
    if unknown := given.keys() - by_label.keys():
        raise KeyError(f"the form has no champ with the label {', '.join(sorted(unknown))}")
    return {
        by_label[label].key: _as_in_the_sandbox(by_label[label], value, at)
        for label, value in given.items()
        if value is not None
    }


def _as_in_the_sandbox(line: Line, value: Any, at: str) -> Any:
    """What sandbox/forms.py makes a champ of; pairs and its own shapes pass as they are."""
    match line.type, value:
        case "Repetition", _:
            return [_by_key(line.inner, row, at) for row in value]
        case "PieceJustificative", _:
            files = [value] if isinstance(value, str | Mapping) else value
            return [_file(one, at) for one in files]
        case "Datetime", datetime():
            return value.isoformat(), _in_french(value, "j F Y H:i")
        case "Date", date():
            return value.isoformat(), _in_french(value, "j F Y")
        case "Date" | "Datetime", str():
            return value, value
        case "Siret" | "RNA" | "RNF", str():
            return value, None
    return value


def _file(given: str | Mapping[str, Any], at: str) -> dict[str, Any]:
    fields = {"filename": given} if isinstance(given, str) else dict(given)
    return file(fields.pop("filename", "piece.pdf"), fields.pop("createdAt", at), **fields)


def _in_french(moment: date, shape: str) -> str:
    with translation.override("fr"):
        return formats.date_format(moment, shape)
