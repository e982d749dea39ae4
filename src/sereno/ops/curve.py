"""The equity curve as SVG, for every page that shows one."""

from __future__ import annotations

from collections.abc import Sequence

from sereno.core.page import minute
from sereno.core.timeframe import UtcMs

WIDTH, HEIGHT = 860, 180
INK, LINE = "var(--curve, #2457c5)", "var(--line, #d8dce4)"


def curve(points: Sequence[tuple[UtcMs, float]]) -> str:
    """Account value over time, oldest first; where it started is a dashed line.

    The line is stretched to the width of the page, its words are not. What never moved is told, not drawn.
    """
    if not points:
        return "<p>No account has been opened yet.</p>"
    values = [value for _, value in points]
    low, high = min(values), max(values)
    first, last = points[0][0], points[-1][0]
    if low == high:
        return f"<p>The account stood at {low:,.2f} from {minute(first)} to {minute(last)}.</p>"

    def across(ts: UtcMs) -> float:
        return (ts - first) / ((last - first) or 1) * WIDTH

    def up(value: float) -> float:
        return HEIGHT - 2 - (value - low) / (high - low) * (HEIGHT - 4)

    line = " ".join(f"{across(ts):.1f},{up(value):.1f}" for ts, value in points)
    start = f"{up(values[0]):.1f}"
    thin = "vector-effect='non-scaling-stroke'"
    return (
        f"{_ends(f'{high:,.2f}', '')}"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' preserveAspectRatio='none' role='img' "
        f"aria-label='Equity from {values[0]:.2f} to {values[-1]:.2f}'>"
        f"<line x1='0' x2='{WIDTH}' y1='{start}' y2='{start}' stroke='{LINE}' stroke-dasharray='4 4' {thin}/>"
        f"<polyline points='{line}' fill='none' stroke='{INK}' stroke-width='1.8' {thin}/></svg>"
        f"{_ends(f'{low:,.2f}', '')}{_ends(minute(first), minute(last))}"
    )


def _ends(left: str, right: str) -> str:
    return f"<p class='ends faint'><span>{left}</span><span>{right}</span></p>"
