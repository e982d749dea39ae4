"""`signal.json`: one file per instrument and timeframe, and an index of them, each replaced atomically."""

from __future__ import annotations

import json
import math
from pathlib import Path

import structlog

from sereno.core.files import JsonObject, replace_json
from sereno.core.signal import Signal
from sereno.core.timeframe import iso

INDEX = "signal.json"
_log = structlog.get_logger("sereno.signals")


def signal_json(signal: Signal) -> JsonObject:
    """The fields that readers of `signal.json` rely on, and no others. Missing is null."""
    forecast = signal.forecast
    return {
        "ts": iso(signal.ts),
        "symbol": signal.series.instrument.symbol,
        "timeframe": signal.series.timeframe.value,
        "horizon_steps": forecast.horizon_bars,
        "prob_up": forecast.prob_up,
        "expected_return": forecast.expected_return,
        "p10": forecast.p10,
        "p50": forecast.p50,
        "p90": forecast.p90,
        "risk_score": forecast.risk_score,
        "decision": signal.decision.value,
        "confidence": signal.confidence,
        "reason": signal.reason,
        "regime": signal.regime.value,
        "regime_reason": signal.regime_reason,
        "position_size": float(signal.position_size),
        "risk_allowed": signal.risk_allowed,
        "version": {"git_commit": signal.git_commit, "model_version": forecast.model_version},
        "signal_id": signal.signal_id,
        "mode": signal.mode.value,
        "entry": float(signal.entry),
        "stop": None if signal.stop is None else float(signal.stop),
        "target": None if signal.target is None else float(signal.target),
        "data_digest": signal.data_digest,
        "settings_digest": signal.settings_digest,
    }


def file_name(signal: Signal) -> str:
    """`signal_BTC_USDT_1h.json`."""
    return f"signal_{signal.series.instrument.slug}_{signal.series.timeframe.value}.json"


def write_signal(folder: Path, signal: Signal) -> Path:
    """Write the signal's file, then the index of all files beside it. Returns the signal's file."""
    path = folder / file_name(signal)
    replace_json(path, signal_json(signal))
    replace_json(folder / INDEX, _index(folder))
    return path


def _index(folder: Path) -> JsonObject:
    rows: list[JsonObject] = []
    for path in sorted(folder.glob("signal_*.json")):
        try:
            rows.append({"file": path.name} | _indexed(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError) as cause:
            _log.warning("signals.foreign_file", file=path.name, error=str(cause))
    newest = max((str(row["ts"]) for row in rows), default=None)
    return {"ts": newest, "signals": rows}


def _indexed(facts: object) -> JsonObject:
    """The fields of one row. Raises ValueError if these are not the facts of a signal."""
    if not isinstance(facts, dict):
        raise ValueError("it holds no object")
    wrong = [name for name in _INDEXED if name != _CONFIDENCE and not isinstance(facts.get(name), str)]
    confidence = facts.get(_CONFIDENCE, math.nan)
    if confidence is not None and not (isinstance(confidence, int | float) and math.isfinite(confidence)):
        wrong.append(_CONFIDENCE)
    if wrong:
        raise ValueError(f"missing or of another kind: {', '.join(wrong)}")
    return {name: facts[name] for name in _INDEXED}


_CONFIDENCE = "confidence"
_INDEXED = ("symbol", "timeframe", "ts", "decision", _CONFIDENCE, "reason", "signal_id", "mode")
