"""A bar chart as SVG, by hand: no library is worth a few rectangles."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

WIDTH, LABELS, BAR, GAP, TOP = 800, 260, 26, 10, 46
COLOUR, MARKED = "#9aa5b1", "#2f6fde"


def bars(title: str, values: Mapping[str, float], *, marked: str = "") -> str:
    """One bar a value, the smallest first; ``marked`` names the one that stands out."""
    ordered = sorted(values.items(), key=lambda pair: pair[1])
    most = max([value for _, value in ordered], default=1) or 1
    height = TOP + len(ordered) * (BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        "<style>text { font: 14px sans-serif }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="28" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (name, value) in enumerate(ordered):
        parts += _bar(TOP + place * (BAR + GAP), name, value, value / most, name == marked)
    return "\n".join([*parts, "</svg>", ""])


def _bar(top: int, name: str, value: float, share: float, is_marked: bool) -> list[str]:
    length = max(1.0, share * (WIDTH - LABELS - 100))
    weight = ' font-weight="bold"' if is_marked else ""
    middle = top + BAR - 8
    return [
        f'<text x="{LABELS - 10}" y="{middle}" text-anchor="end"{weight}>{escape(name)}</text>',
        f'<rect x="{LABELS}" y="{top}" width="{length:.0f}" height="{BAR}" fill="{MARKED if is_marked else COLOUR}"/>',
        f'<text x="{LABELS + length + 8:.0f}" y="{middle}"{weight}>{value:,.0f}</text>',
    ]
