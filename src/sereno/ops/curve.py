"""The equity curve as SVG, for every page that shows one."""

from __future__ import annotations

from collections.abc import Sequence

from sereno.core.page import minute
from sereno.core.timeframe import UtcMs

WIDTH, HEIGHT, PAD = 860, 220, 34
INK, FAINT, LINE = "var(--curve, #2457c5)", "var(--faint, #667085)", "var(--line, #d8dce4)"


def curve(points: Sequence[tuple[UtcMs, float]]) -> str:
    """Account value over time, oldest first; where it started is a dashed line.

    Fewer than two points are a line of text.
    """
    if len(points) < 2:
        return "<p>No trade has changed the account yet.</p>"
    values = [value for _, value in points]
    low, high = min(values), max(values)
    tall = (high - low) or 1.0
    first, last = points[0][0], points[-1][0]
    wide = (last - first) or 1

    def across(ts: UtcMs) -> float:
        return PAD + (ts - first) / wide * (WIDTH - 2 * PAD)

    def up(value: float) -> float:
        return HEIGHT - PAD - (value - low) / tall * (HEIGHT - 2 * PAD)

    line = " ".join(f"{across(ts):.1f},{up(value):.1f}" for ts, value in points)
    start = f"{up(values[0]):.1f}"
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='Equity from {values[0]:.2f} to {values[-1]:.2f}'>"
        f"<line x1='{PAD}' x2='{WIDTH - PAD}' y1='{start}' y2='{start}' stroke='{LINE}' stroke-dasharray='4 4'/>"
        f"<polyline points='{line}' fill='none' stroke='{INK}' stroke-width='1.8'/>"
        f"{_text(PAD, PAD - 12, f'{high:,.2f}')}{_text(PAD, HEIGHT - PAD + 16, f'{low:,.2f}')}"
        f"{_text(PAD, HEIGHT - 4, minute(first))}{_text(WIDTH - PAD, HEIGHT - 4, minute(last), anchor='end')}</svg>"
    )


def _text(x: int, y: int, words: str, *, anchor: str = "start") -> str:
    return f"<text x='{x}' y='{y}' font-size='11' fill='{FAINT}' text-anchor='{anchor}'>{words}</text>"
