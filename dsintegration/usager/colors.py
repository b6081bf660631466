"""The organisation's colours, and whether text in them can be read (WCAG 2.2, 1.4.3)."""

from dsintegration.conf import Organisation

# What lies behind them in the stylesheet: white, and the dark theme's lightest ground.
LIGHT_GROUND, DARK_GROUND = "#ffffff", "#1d2329"
READABLE = 4.5


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black and white)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def stylesheet(organisation: Organisation) -> str:
    """The rules that replace the colours of usager.css."""
    rules = []
    if organisation.color:
        rules.append(f".suivi, .suivi-page {{ --suivi-accent: {organisation.color}; }}")
    if organisation.color_dark:
        dark = f".suivi-page, .suivi-page .suivi {{ --suivi-accent: {organisation.color_dark}; }}"
        rules.append(f"@media screen and (prefers-color-scheme: dark) {{ {dark} }}")
    return "\n".join(rules)
