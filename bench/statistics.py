"""Medians, quantiles and ratios, as the reports use them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

__all__ = ["median", "quantile", "ratio", "slope"]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the sorted ``values`` that this share of them does not exceed; 0 for none."""
    if not values:
        return 0.0
    return values[max(0, -int(-share * len(values) // 1) - 1)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios, pair by pair: what drifts over a run does not count."""
    pairs = [own / other for own, other in zip(ours, theirs, strict=False) if other]
    return median(pairs) if pairs else 0.0


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the exponent that joins the first and last point on a doubly logarithmic plot: 0 flat, 1 linear."""
    from math import log

    (x1, y1), (x2, y2) = points[0], points[-1]
    return log(y2 / y1) / log(x2 / x1)
