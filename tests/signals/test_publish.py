"""`signal.json`."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from sereno.core.instrument import Series
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.signals.publish import signal_json, write_signal
from tests.trading.worlds import ETH, HOURLY, START, refused, signal

FIELDS = {
    *[
        "ts",
        "symbol",
        "timeframe",
        "horizon_steps",
        "prob_up",
        "expected_return",
        "p10",
        "p50",
        "p90",
        "risk_score",
        "decision",
        "confidence",
    ],
    *["reason", "regime", "regime_reason", "position_size", "risk_allowed", "version"],
    *["signal_id", "mode", "entry", "stop", "target", "data_digest", "settings_digest"],
}
TAKEN = signal(START + HOUR_MS, 1, 30_000.5, 120.0)


def test_exactly_the_fields_of_the_contract() -> None:
    facts = signal_json(TAKEN)
    assert set(facts) == FIELDS
    assert facts["version"] == {
        "git_commit": TAKEN.git_commit,
        "model_version": TAKEN.forecast.model_version,
    }
    assert (facts["ts"], facts["symbol"], facts["timeframe"]) == ("2023-11-15T01:00:00Z", "BTC/USDT", "1h")
    assert (facts["decision"], facts["entry"], facts["stop"], facts["target"]) == (
        "LONG",
        30_000.5,
        29_880.5,
        30_240.5,
    )


def test_trap_a30_21_a_refused_signal_carries_no_levels_and_no_size() -> None:
    facts = signal_json(refused(TAKEN))
    assert set(facts) == FIELDS
    assert (facts["decision"], facts["stop"], facts["target"], facts["position_size"]) == (
        "NO_TRADE",
        None,
        None,
        0.0,
    )


def test_trap_c12_11_one_file_per_instrument_and_timeframe_and_an_index(tmp_path: Path) -> None:
    other = signal(START + HOUR_MS, -1, 2000.0, 10.0, series=Series(ETH, Timeframe.M15))
    first, second = write_signal(tmp_path, TAKEN), write_signal(tmp_path, other)
    assert (first.name, second.name) == ("signal_BTC_USDT_1h.json", "signal_ETH_USDT_15m.json")
    assert json.loads(first.read_text())["symbol"] == "BTC/USDT"
    index = json.loads((tmp_path / "signal.json").read_text())
    assert [(row["file"], row["decision"]) for row in index["signals"]] == [
        (first.name, "LONG"),
        (second.name, "SHORT"),
    ]
    newer = replace(refused(TAKEN), ts=TAKEN.ts + HOUR_MS)
    write_signal(tmp_path, newer)
    index = json.loads((tmp_path / "signal.json").read_text())
    assert index["ts"] == "2023-11-15T02:00:00Z"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["signal.json", first.name, second.name]


@pytest.mark.parametrize(
    "foreign",
    ["", "{", "[]", "{}", '{"symbol": "BTC/USDT", "ts": 1}', "\udcff"],
    ids=["empty", "half", "no object", "no fields", "an old one", "no text"],
)
def test_a_foreign_file_does_not_stop_the_desk(tmp_path: Path, foreign: str) -> None:
    (tmp_path / "signal_old.json").write_bytes(foreign.encode(errors="surrogateescape"))
    (tmp_path / "signal_folder.json").mkdir()
    nan = signal_json(TAKEN) | {"confidence": math.nan}
    (tmp_path / "signal_nan.json").write_text(json.dumps(nan))
    with structlog.testing.capture_logs() as logs:
        own = write_signal(tmp_path, TAKEN)
    index = json.loads((tmp_path / "signal.json").read_text())
    assert [row["file"] for row in index["signals"]] == [own.name]
    skipped = {one["file"] for one in logs if one["event"] == "signals.foreign_file"}
    assert skipped == {"signal_old.json", "signal_folder.json", "signal_nan.json"}
    assert all(one["log_level"] == "warning" for one in logs)


def test_a_signal_without_a_side_is_valid_json() -> None:
    nothing = replace(refused(TAKEN, "no_edge"), side=None, confidence=None, position_size=Decimal(0))
    assert signal_json(nothing)["confidence"] is None
    json.dumps(signal_json(nothing), allow_nan=False)
    assert TAKEN.series == HOURLY
