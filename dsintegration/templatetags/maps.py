"""A small picture of what was drawn on a map, of its shapes alone: no server is asked for a ground.

Coordinates are degrees, longitude first (GeoJSON, RFC 7946).
"""

from collections.abc import Iterator
from math import cos, radians
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dsintegration.harmless import on_a_page

WIDTH, HEIGHT, MARGIN = 320, 200, 12
METRES_PER_DEGREE = 111_320
# Points that are drawn of one picture; of more, some are left out, each shape keeping its outline.
MOST_POINTS = 4000

Point = tuple[float, float]


def map_of(areas: list[dict[str, Any]]) -> SafeString:
    """The picture, with what stands beside it in words."""
    texts = format_html_join("", "<li><bdi>{}</bdi></li>", ((_text(area),) for area in areas))
    words = format_html('<ul class="ds-areas">{}</ul>', texts)
    shapes = [
        (area["source"] == "cadastre", is_line, points)
        for area in areas
        for is_line, points in _shapes(
            area["geometry"].get("coordinates"), area["geometry"]["type"]
        )
    ]
    points = [point for _, _, shape in shapes for point in shape]
    if not points:
        return words
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    narrow = cos(radians((south + north) / 2)) or 1e-6
    across, up = (east - west) * narrow, north - south
    scale = min(
        (WIDTH - 2 * MARGIN) / across if across else 1e9,
        (HEIGHT - 2 * MARGIN) / up if up else 1e9,
    )
    left = (WIDTH - across * scale) / 2
    top = (HEIGHT - up * scale) / 2
    step = len(points) // MOST_POINTS + 1

    def place(point: Point) -> Point:
        x = left + (point[0] - west) * narrow * scale
        return round(x, 1), round(top + (north - point[1]) * scale, 1)

    drawn = format_html_join(
        "",
        "{}",
        (
            (_drawn([place(p) for p in _thinned(shape, step)], is_line=line, is_parcel=parcel),)
            for parcel, line, shape in shapes
        ),
    )
    size = ""
    if metres := round(across * METRES_PER_DEGREE):
        size = f"Largeur du tracé : environ {_distance(metres)}."
    return format_html(
        '<figure class="ds-map"><svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
        'aria-label="{}">{}</svg><figcaption>{} {}</figcaption></figure>',
        WIDTH,
        HEIGHT,
        WIDTH,
        HEIGHT,
        f"Tracé, le nord en haut : {len(areas)} élément{'s' if len(areas) > 1 else ''}",
        drawn,
        words,
        size,
    )


def _text(area: dict[str, Any]) -> str:
    if area.get("numero"):
        names = ("commune", "prefixe", "section", "numero")
        place = " ".join(area[name] for name in names if area.get(name))
        surface = f" ({area['surface']} m²)" if area.get("surface") else ""
        return on_a_page(f"Parcelle {place}{surface}")
    return on_a_page(area.get("description") or "Tracé sans description")


def _shapes(coordinates: Any, kind: str) -> Iterator[tuple[bool, list[Point]]]:
    """Each line or outline in it, whatever it is nested in; a lone point is one of one point."""
    if not isinstance(coordinates, list) or not coordinates:
        return
    if point := _point(coordinates):
        yield False, [point]
        return
    points = [point for inner in coordinates if (point := _point(inner))]
    if points:
        if kind == "MultiPoint":
            yield from ((False, [point]) for point in points)
        else:
            yield "Line" in kind, points
        return
    for inner in coordinates:
        yield from _shapes(inner, kind)


def _point(given: Any) -> Point | None:
    if not isinstance(given, list) or len(given) < 2:
        return None
    x, y = given[:2]
    if not all(isinstance(n, int | float) for n in (x, y)) or abs(x) > 180 or abs(y) > 90:
        return None
    return float(x), float(y)


def _thinned(shape: list[Point], step: int) -> list[Point]:
    return shape if step == 1 or len(shape) < 9 else [*shape[:-1:step], shape[-1]]


def _drawn(points: list[Point], *, is_line: bool, is_parcel: bool) -> SafeString:
    if len(points) == 1:
        return format_html('<circle cx="{}" cy="{}" r="5" class="ds-shape"/>', *points[0])
    path = " ".join(f"{x},{y}" for x, y in points)
    kind = "ds-shape ds-parcel" if is_parcel else "ds-shape"
    tag = "polyline" if is_line else "polygon"
    drawn = f"{kind} ds-line" if is_line else kind
    return format_html('<{} points="{}" class="{}"/>', tag, path, drawn)


def _distance(metres: int) -> str:
    if metres < 1000:
        return f"{metres}\N{NO-BREAK SPACE}m"
    return f"{metres / 1000:.1f}\N{NO-BREAK SPACE}km".replace(".", ",")
