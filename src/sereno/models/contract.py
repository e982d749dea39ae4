"""What a forecast is made of: the roles, and a column block of forecasts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np

from sereno.core.candle import F64, I64
from sereno.core.forecast import Forecast
from sereno.core.timeframe import UtcMs

QUANTILES = (0.1, 0.5, 0.9)

Progress: TypeAlias = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """A progress callback that shows nothing."""


class Role(StrEnum):
    """What a model is for: the barrier outcome, the return over the horizon, or the stop coming first."""

    TREND = "trend"
    RETURN = "return"
    RISK = "risk"


class Row(Protocol):
    """One feature row, as `features.engine` makes it: what serving reads of it."""

    @property
    def ts(self) -> UtcMs: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def values(self) -> F64: ...
    @property
    def atr(self) -> float: ...
    @property
    def close(self) -> float: ...


class Frame(Protocol):
    """A block of feature rows, as `features.frame` makes it: what training and serving read of it."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def ts(self) -> I64: ...
    @property
    def values(self) -> F64: ...
    @property
    def atr(self) -> F64: ...
    @property
    def close(self) -> F64: ...


@dataclass(frozen=True, slots=True)
class Contributions:
    """How one output of one row came about: `base`, the step of each feature, `remainder`; together `value`.

    of_features  (feature, step), strongest first; none where features play no part. Steps are in log-odds of
                 a probability, and in units of ATR over close of a return
    base, value  the output before any feature is looked at, and with all of them
    remainder    what the steps leave of the way, in their unit. They follow the slopes of softmax and
                 calibration at this row, which are others on the way to it
    """

    of_features: tuple[tuple[str, float], ...]
    base: float
    value: float
    remainder: float


@dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """(n,) columns of forecasts, oldest first; the fields of `core.Forecast`.

    A row that could not be forecast (warm-up, a missing feature) is NaN in every column but `ts`.
    """

    ts: I64
    prob_up: F64
    prob_down: F64
    expected_return: F64
    p10: F64
    p50: F64
    p90: F64
    risk_score: F64
    horizon_bars: int
    model_version: str

    def __len__(self) -> int:
        return len(self.ts)

    def row(self, i: int) -> Forecast:
        """One of them as a value. Raises SkipThis if it is missing or invalid."""
        return Forecast(
            ts=int(self.ts[i]),
            horizon_bars=self.horizon_bars,
            prob_up=float(self.prob_up[i]),
            prob_down=float(self.prob_down[i]),
            expected_return=float(self.expected_return[i]),
            p10=float(self.p10[i]),
            p50=float(self.p50[i]),
            p90=float(self.p90[i]),
            risk_score=float(self.risk_score[i]),
            model_version=self.model_version,
        )

    @property
    def present(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(n,) whether a row holds a forecast."""
        columns = np.array([getattr(self, name) for name in _COLUMNS])
        whole: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.isfinite(columns).all(axis=0)
        return whole

    def between(self, since: UtcMs, until: UtcMs | None = None) -> Forecasts:
        """Rows with since <= ts < until."""
        start = int(np.searchsorted(self.ts, since))
        stop = len(self) if until is None else int(np.searchsorted(self.ts, until))
        columns = {name: getattr(self, name)[start:stop] for name in ("ts", *_COLUMNS)}
        return Forecasts(**columns, horizon_bars=self.horizon_bars, model_version=self.model_version)

    @staticmethod
    def joined(parts: Iterable[Forecasts], *, model_version: str) -> Forecasts:
        """Blocks one after another; at least one, all of the same horizon."""
        blocks = tuple(parts)
        horizons = {block.horizon_bars for block in blocks}
        if len(horizons) != 1:
            raise ValueError(f"forecasts of different horizons cannot be joined: {sorted(horizons)}")
        columns = {
            name: np.concatenate([getattr(block, name) for block in blocks]) for name in ("ts", *_COLUMNS)
        }
        return Forecasts(**columns, horizon_bars=horizons.pop(), model_version=model_version)


_COLUMNS = tuple(
    field.name for field in fields(Forecasts) if field.name not in ("ts", "horizon_bars", "model_version")
)
