"""Pages that need nothing else: words that are put into HTML in one place, and the one stylesheet.

Every text is escaped here; only `Drawn` is markup already. Light or dark is the reader's own setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from html import escape
from typing import TypeAlias

from sereno.core.timeframe import UtcMs, iso

STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --faint: #667085; --line: #d8dce4; --paper: #fff; --curve: #2457c5; --good: #1b7f4b; --bad: #b3261e; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --faint: #a3a9b8; --line: #343a48; --paper: #14171e; --curve: #8fb1ff; --good: #5fd39a; --bad: #ff8a80; --warn: #f2c14e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h1 small { font-size: .9rem; font-weight: 500; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { margin: .2rem 0; } a { color: var(--curve); } .scroll { overflow-x: auto; background: linear-gradient(to left, var(--paper) 50%, transparent) right / 2rem 100% no-repeat local, linear-gradient(to left, var(--line), transparent) right / 1rem 100% no-repeat scroll; } b { font-size: 1.2rem; }
table { border-collapse: collapse; margin: .3rem 0 1rem; font-variant-numeric: tabular-nums; } th { color: var(--faint); font-weight: 500; vertical-align: bottom; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.figures th, .figures td { text-align: right; } .figures th:first-child, .figures td:first-child { text-align: left; }
.figures { font-size: 14px; } .figures th { white-space: normal; } td.long { white-space: normal; min-width: 11rem; } .figures td.long { text-align: left; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .faint { color: var(--faint); }
.curve svg { width: 100%; height: 11rem; display: block; } .ends { display: flex; justify-content: space-between; font-size: 12px; } .plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots svg, img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
"""
LONG_CHARS = 28
"""A longer cell may break into lines."""


class Kind(StrEnum):
    """What a text says besides its words; the stylesheet gives each a colour."""

    PLAIN = ""
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    FAINT = "faint"


@dataclass(frozen=True, slots=True)
class Words:
    """A text: a paragraph of a section, or a cell of a table."""

    text: str
    kind: Kind = Kind.PLAIN


@dataclass(frozen=True, slots=True)
class Figure:
    """A paragraph that begins with a number to be seen at once."""

    number: str
    text: str


@dataclass(frozen=True, slots=True)
class Links:
    """Ways to other pages, as (words, address)."""

    to: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under their titles; `figures` sets all columns but the first to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str | Words, ...], ...]
    empty: str = "None."
    figures: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures, which are markup already; `frame` is `curve` for one as wide as the page, `plots` for some in a row."""

    markup: str
    frame: str = "plots"


Part: TypeAlias = Words | Figure | Links | Table | Drawn


@dataclass(frozen=True, slots=True)
class Section:
    """Parts under a title; an empty title has none."""

    title: str
    parts: tuple[Part, ...]
    level: int = 2


def page(
    title: str, sections: Sequence[Section], *, badge: Words | None = None, renew_s: int | None = None
) -> str:
    """The whole page. `badge` stands beside the title; `renew_s` lets a browser ask again."""
    renew = "" if renew_s is None else f"<meta http-equiv='refresh' content='{renew_s}'>"
    small = "" if badge is None else f" <small>{_span(badge)}</small>"
    body = "\n".join(_section(section) for section in sections)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"{renew}<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}{small}</h1>{body}</body></html>\n"
    )


def percent(value: float | None) -> str:
    """Two digits; `-` where it is undefined."""
    return "-" if value is None else f"{value:.2%}"


def number(value: float | None, digits: int = 2) -> str:
    """So many digits; `-` where it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def minute(at: UtcMs) -> str:
    """A moment for eyes: `2024-06-01 12:00`."""
    return iso(at)[:16].replace("T", " ")


def price(value: Decimal) -> str:
    """Two digits behind the point; below 10 as many as there are."""
    return f"{value:,.2f}" if value >= 10 else f"{value.normalize():f}"


def _section(section: Section) -> str:
    head = f"<h{section.level}>{escape(section.title)}</h{section.level}>" if section.title else ""
    return head + "".join(_part(part) for part in section.parts)


def _part(part: Part) -> str:
    match part:
        case Words():
            return f"<p{_class(part.kind)}>{escape(part.text)}</p>"
        case Figure():
            return f"<p><b>{escape(part.number)}</b> <span class='faint'>{escape(part.text)}</span></p>"
        case Links():
            ways = " · ".join(f"<a href='{escape(to)}'>{escape(words)}</a>" for words, to in part.to)
            return f"<p>{ways}</p>"
        case Table():
            return _table(part)
        case Drawn():
            return f"<div class='scroll {part.frame}'>{part.markup}</div>"


def _table(table: Table) -> str:
    if not table.rows:
        return f"<p class='faint'>{escape(table.empty)}</p>"
    head = "".join(f"<th>{escape(title)}</th>" for title in table.head)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table.rows)
    kind = " class='figures'" if table.figures else ""
    return f"<div class='scroll'><table{kind}><tr>{head}</tr>{body}</table></div>"


def _cell(cell: str | Words) -> str:
    words = Words(cell) if isinstance(cell, str) else cell
    long = " class='long'" if len(words.text) > LONG_CHARS else ""
    return f"<td{long}>{_span(words) if words.kind else escape(words.text)}</td>"


def _span(words: Words) -> str:
    return f"<span{_class(words.kind)}>{escape(words.text)}</span>"


def _class(kind: Kind) -> str:
    return f" class='{kind}'" if kind else ""
