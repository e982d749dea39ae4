"""Whatever is asked, the answer is a reply in the venue's words: no query makes the simulator fail."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.sim.binance import BinanceError
from sereno.sim.generated import GeneratedWorld
from sereno.sim.http import ANSWERS
from tests.sim.conftest import BTC, query

SMALL = GeneratedWorld(7, 0.35, (BTC,), history_days=14, future_days=7)
VALUES = st.one_of(
    st.sampled_from(["BTCUSDT", "1h", "60", "D", "spot", "linear", "option", "PERPETUAL", '["BTCUSDT"]', ""]),
    st.integers(-5, 2**70).map(str),
    st.integers(-20, 20).map(lambda hours: str(SMALL.clock_start_ms + hours * 3_600_000)),
    st.text(max_size=8),
)
NAMES = (
    "symbol",
    "symbols",
    "pair",
    "interval",
    "limit",
    "startTime",
    "endTime",
    "start",
    "end",
    "category",
    "cursor",
)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    path=st.sampled_from(sorted(ANSWERS)),
    params=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(NAMES, VALUES),
            "symbol": st.one_of(st.just("BTCUSDT"), VALUES),
            "interval": st.one_of(st.sampled_from(["1h", "60", "1w", "W", "1M", "M"]), VALUES),
            "category": st.one_of(st.sampled_from(["spot", "linear"]), VALUES),
            "contractType": st.one_of(st.just("PERPETUAL"), VALUES),
        },
    ),
    elapsed_ms=st.integers(-14 * 86_400_000, 7 * 86_400_000),
)
def test_every_query_has_an_answer(path: str, params: dict[str, str], elapsed_ms: int) -> None:
    try:
        reply = ANSWERS[path](query(SMALL, SMALL.clock_start_ms + elapsed_ms, params))
    except BinanceError as refusal:
        reply = refusal.reply()
        assert reply.status == 400
    json.loads(reply.body)
