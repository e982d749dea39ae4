"""The one maker of pages: everything it is given is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.page import (
    STYLE,
    Drawn,
    Figure,
    Kind,
    Links,
    Part,
    Section,
    Table,
    Words,
    number,
    page,
    percent,
    price,
)

EVIL = "<script>alert('x')</script>&"


@pytest.mark.parametrize(
    "part",
    [
        Words(EVIL),
        Words(EVIL, Kind.BAD),
        Figure(EVIL, EVIL),
        Links(((EVIL, "/'onclick='x"),)),
        Table((EVIL,), ((EVIL,), (Words(EVIL, Kind.GOOD),))),
        Table((EVIL,), (), EVIL),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_text_is_escaped(part: Part) -> None:
    told = page(EVIL, (Section(EVIL, (part,)),), badge=Words(EVIL, Kind.WARN))
    assert "<script" not in told
    assert "'onclick" not in told
    assert "&lt;script&gt;" in told


@given(st.text(), st.text())
def test_law_no_text_opens_an_element(title: str, cell: str) -> None:
    bare = page("", (Section("t", (Table(("h",), (("",),)),)),))
    told = page(title, (Section("t", (Table(("h",), ((cell,),)),)),))
    assert told.count("<") == bare.count("<")


def test_a_page_asks_nothing_of_others_and_is_whole() -> None:
    told = page("Desk", (Section("", (Drawn("<svg></svg>", "curve"),)),), renew_s=10)
    assert told.endswith("</body></html>\n")
    assert "<svg></svg>" in told
    assert "http-equiv='refresh' content='10'" in told
    assert "http-equiv" not in page("Desk", ())
    assert not re.search(r"url\(|@import|<link|<script| src=", told)


def test_every_kind_has_its_colour_by_day_and_by_night() -> None:
    day, night = re.findall(r":root \{([^}]*)\}", STYLE)
    for kind in Kind:
        assert not kind or f".{kind} {{ color: var(--{kind}); }}" in STYLE
    names = [set(re.findall(r"--(\w+):", part)) for part in (day, night)]
    assert names[0] == names[1]


def test_a_price_has_as_many_digits_as_it_needs() -> None:
    assert [price(Decimal(text)) for text in ("63123.4567", "10", "0.00001230")] == [
        "63,123.46", "10.00", "0.0000123",
    ]  # fmt: skip


def test_figures_that_are_undefined_are_a_dash() -> None:
    assert (percent(None), number(None)) == ("-", "-")
    assert (percent(0.1234), number(1.005, 1), number(2.0)) == ("12.34%", "1.0", "2.00")
