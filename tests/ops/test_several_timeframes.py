"""The smallest, a middle and the largest timeframe traded at once, from nothing to a signal of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.instrument import Series
from sereno.core.timeframe import Timeframe
from sereno.ops.app import Desk
from sereno.store.ledger import signals
from tests.ops.desk_process import SMALL, sereno, settings_of
from tests.ops.traded import check_signal_files

GIVEN = {
    **SMALL,
    "venue.instruments": "BTC/USDT",
    "candles.timeframes": "5m,4h,1d",
    "candles.beside": "",
    "candles.depth_days": "30",
    "candles.depth_days_below_1h": "5",
}


@pytest.mark.slow
def test_every_traded_timeframe_gets_its_history_its_model_and_its_signal(tmp_path: Path) -> None:
    told = sereno(tmp_path, GIVEN, "up", "--once", "--no-table")
    assert "failed" not in told
    assert "no model" not in told
    settings = settings_of(tmp_path, GIVEN)
    with Desk(settings) as desk:
        assert [series.timeframe for series in desk.series] == [Timeframe.M5, Timeframe.H4, Timeframe.D1]
        for series in desk.series:
            check_series(desk, series)
        check_signal_files(settings)


def check_series(desk: Desk, series: Series) -> None:
    stored = desk.lake.extent(series)
    assert stored is not None
    assert stored.rows >= desk.settings.histories[series.timeframe].least_bars
    assert desk.registry.current("trend", series)
    with desk.ledger.read() as tx:
        (newest,) = signals.recent(tx, series, 1, mode=desk.mode)
    assert newest.ts == stored.last_open_ms + series.timeframe.ms
