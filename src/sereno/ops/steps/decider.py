"""From the lake to a kept signal: features, forecast, regime, risk, decision, in one order everywhere."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import structlog

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.growing import GrowingCandles, Grown
from sereno.core.instrument import Series
from sereno.core.signal import Signal
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.features.engine import LiveFeatures, LiveRow, live_row
from sereno.features.registry import feature_names, warm_up_bars
from sereno.market.gaps import ASKED_ONCE
from sereno.models.serve import Forecaster
from sereno.ops.steps import missed
from sereno.ops.steps.positions import open_on_candles
from sereno.signals import gates
from sereno.signals.decide import decide
from sereno.signals.make import Provenance, make_signal, signal_id_of
from sereno.signals.publish import write_signal
from sereno.signals.regime import ADX, ATR_RATIO, regime_of
from sereno.signals.words import RiskVerdict, Situation
from sereno.store import kept_settings
from sereno.store.lake_history import History
from sereno.store.ledger import forecasts, instruments
from sereno.store.ledger import signals as kept
from sereno.store.registry import ModelSet
from sereno.trading.account import account_view
from sereno.trading.risk import RiskReason, propose
from sereno.trading.rules import rulebook

if TYPE_CHECKING:
    from sereno.core.forecast import Forecast
    from sereno.ops.app import Desk

_log = structlog.get_logger("sereno.decider")


class Decider:
    """Decides series by series; keeps engines warm and models loaded between calls."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._models: dict[Series, tuple[ModelSet, Forecaster]] = {}
        self._features: dict[Series, LiveFeatures] = {}
        self._histories: dict[Series, History] = {}
        self._read_on: dict[Series, int] = {}
        self._account_is_open = False

    def decide(self, series: Series) -> Signal:
        """The signal of the newest closed candle: made, kept and written; the kept one if there is one.

        Raises SkipThis when it cannot be made: no candle, warm-up, no model.
        """
        desk = self._desk
        now = desk.clock.now_ms()
        history = self._history(series)
        live = self._live(series, history)
        ts = live.row.ts
        with desk.ledger.read() as tx:
            known = kept.get(tx, signal_id_of(desk.mode, series, ts))
        signal = known or self._made(series, live, history, now)
        write_signal(desk.paths.signals, signal)
        return signal

    def catch_up(self, series: Series) -> int:
        """Record a no for candles that closed while nobody decided; how many, at most MOST_A_PASS.

        Nothing is entered on them: their moment is past. One that cannot be decided is passed over, and tried
        again in the next pass.
        """
        desk = self._desk
        now, candles = desk.clock.now_ms(), self._history(series).candles
        done = 0
        for close_ms in missed.missed_closes(desk, series, candles):
            then = GrowingCandles(candles.between(None, close_ms)).now()
            try:
                live = live_row(then.candles, atr_bars=desk.settings.barriers.atr_bars)
                self._made(series, live, then, now, superseded=True)
            except SkipThis as cause:
                _log.warning("signals.missed_still", series=series.key, ts=close_ms, error=str(cause))
                continue
            done += 1
            if done == missed.MOST_A_PASS:
                break
        return done

    def _made(
        self, series: Series, live: LiveRow, history: Grown, now: UtcMs, *, superseded: bool = False
    ) -> Signal:
        desk, settings = self._desk, self._desk.settings
        row = live.row
        models = self._forecaster(series)
        forecast = models.forecast(row)
        values = dict(zip(row.names, row.values.tolist(), strict=True))
        regime, why = regime_of(values[ADX], values[ATR_RATIO], settings.signals)
        risk = self._risk(series, row.close, row.atr, row.ts, now)
        if risk.allowed:
            risk = self._gap(series, history.candles) or self._rest(series, row.ts) or risk
        with desk.ledger.read() as tx:
            taken = kept.last_taken(tx, series, desk.mode, before=row.ts)
        verdict = decide(
            forecast,
            regime,
            row.atr,
            row.close,
            signals=settings.signals,
            barriers=settings.barriers,
            costs=settings.costs,
            situation=Situation(
                market=series.instrument.market,
                timeframe=series.timeframe,
                candle_ms=row.ts,
                now=now,
                last_taken_ms=taken.ts if taken else None,
                risk=risk,
                # the same span, ahead of now: only the clock knows what it is on the wall
                delay_s=desk.clock.wall_seconds_until(2 * now - row.ts),
                superseded=superseded,
                hindsight=models.trained_ms >= row.ts + series.timeframe.ms,
            ),
        )
        signal = make_signal(
            forecast,
            verdict,
            regime,
            why,
            mode=desk.mode,
            series=series,
            atr=row.atr,
            risk=risk,
            provenance=Provenance(
                git_commit=desk.git_commit,
                data_digest=history.digest,
                settings_digest=settings.digest,
                feature_first_ms=live.first_ms,
                feature_primed_ms=live.primed_ms,
                features=tuple(values.items()),
            ),
        )
        return self._kept(series, signal, forecast)

    def _kept(self, series: Series, signal: Signal, forecast: Forecast) -> Signal:
        desk = self._desk
        kept_settings.keep(desk.paths.settings, desk.settings)
        with desk.ledger.begin() as tx:
            forecasts.save(tx, signal.signal_id.replace("sig_", "fc_"), series, desk.mode, forecast)
            if kept.save(tx, signal):
                return signal
            return kept.get(tx, signal.signal_id) or signal

    def _history(self, series: Series) -> Grown:
        """What the lake holds; once a day all files are read again, so that none rots unseen in here."""
        history = self._histories.get(series)
        if history is None:
            history = self._histories[series] = self._desk.lake.history(series)
        today = self._desk.clock.now_ms() // DAY_MS
        found = history.read(anew=self._read_on.get(series) != today)
        self._read_on[series] = today
        if not len(found.candles):
            raise SkipThis("signals.no_candles", remedy="run the collector first", series=series.key)
        return found

    def _live(self, series: Series, history: Grown) -> LiveRow:
        features = self._features.get(series)
        if features is None:
            features = LiveFeatures(series.timeframe, atr_bars=self._desk.settings.barriers.atr_bars)
            self._features[series] = features
        return features.row(history.candles, lineage=history.lineage)

    def _forecaster(self, series: Series) -> Forecaster:
        """The current models, loaded again when the set changed."""
        registry = self._desk.registry
        served = registry.served(series)
        loaded = self._models.get(series)
        if loaded is None or loaded[0] != served:
            names = feature_names(series.timeframe)
            models = Forecaster.load(registry, series, names=names, barriers=self._desk.settings.barriers)
            _warn_of_damage(series, models)
            loaded = (served, models)
            self._models[series] = loaded
        return loaded[1]

    def _gap(self, series: Series, candles: Candles) -> RiskVerdict | None:
        """The no of missing candles that the features of the newest row look back on."""
        timeframe = series.timeframe
        found = gates.gaps_behind(candles.open_ms, timeframe, lookback_bars=warm_up_bars(timeframe))
        if not found:
            return None
        known = [
            (gap.first_open_ms, gap.last_open_ms)
            for gap in self._desk.lake.known_gaps(series)
            if gap.reason != ASKED_ONCE
        ]
        rest_bars = self._desk.settings.signals.gap_rest_bars
        return gates.data_gap(candles.open_ms, found, known, timeframe, rest_bars=rest_bars)

    def _rest(self, series: Series, ts: UtcMs) -> RiskVerdict | None:
        """The no of a signal that was taken on another timeframe of the same instrument."""
        others = [s for s in self._desk.series if s.instrument == series.instrument and s != series]
        if not others:
            return None
        with self._desk.ledger.read() as tx:
            found = [kept.last_taken(tx, other, self._desk.mode, before=ts + 1) for other in others]
        taken = [(one.series.timeframe, one.ts) for one in found if one is not None]
        return gates.resting(ts, taken, cooldown_bars=self._desk.settings.signals.cooldown_bars)

    def _risk(self, series: Series, close: float, atr: float, ts: UtcMs, now: UtcMs) -> RiskVerdict:
        desk, settings = self._desk, self._desk.settings
        if not self._account_is_open:
            open_on_candles(desk, now)
            self._account_is_open = True
        with desk.ledger.read() as tx:
            grid = instruments.rules(tx, series.instrument)
        view = account_view(desk.ledger, mode=desk.mode, account=desk.account)
        if grid is None:
            return RiskVerdict(False, RiskReason.RULES_UNKNOWN, Decimal(0), "run the collector first")
        book = rulebook(
            series.timeframe,
            grid,
            barriers=settings.barriers,
            costs=settings.costs,
            risk=settings.risk,
            signals=settings.signals,
        )
        return propose(
            view,
            series.instrument,
            close=close,
            atr=atr,
            at=ts,
            grid=grid,
            book=book,
            max_open_positions=settings.risk.max_open_positions,
        )


def _warn_of_damage(series: Series, models: Forecaster) -> None:
    """Say once a load which current versions are damaged, and what is served in their place."""
    for role, damaged in models.fell_back.items():
        _log.warning(
            "models.fell_back",
            series=series.key,
            role=role.value,
            damaged=damaged,
            served=models.versions[role],
            remedy="run `sereno train`, or restore the version from a backup",
        )
