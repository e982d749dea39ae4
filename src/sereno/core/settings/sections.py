"""The sections of `sereno.toml`. Frozen; each room receives its own section, never the whole."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from sereno.core.instrument import Instrument, Market, with_slash
from sereno.core.settings.fields import Bps, DatabaseUrl, Frac, Symbols, Timeframes
from sereno.core.timeframe import DAY_MS, Timeframe


class Section(BaseModel):
    """Base of every section: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class VenueSettings(Section):
    """Which exchange, which instruments, and how patiently it is asked."""

    name: str = Field(
        "binance", pattern=r"^[a-z0-9]+$", description="ccxt id of the exchange: binance, bybit, okx…"
    )
    market: Market = Field(Market.SPOT, description="spot, or linear (USDT-margined perpetuals)")
    instruments: Symbols = Field(
        ("BTC/USDT", "ETH/USDT"), min_length=1, description="pairs to collect and trade"
    )
    base_url: str = Field(
        "",
        description="another address for the venue's REST API; empty: the venue's own. Not in mode sim",
    )
    api_key: SecretStr = Field(SecretStr(""), description="key of the venue; public market data needs none")
    api_secret: SecretStr = Field(SecretStr(""), description="secret that belongs to the key")
    timeout_s: float = Field(20.0, gt=0, le=300, description="time-out of every call")
    retries: int = Field(3, ge=0, le=10, description="further tries after a call that may work later")
    retry_base_s: float = Field(
        2.0, ge=0, le=60, description="first pause between tries; doubles, with jitter"
    )
    max_clock_offset_ms: int = Field(
        10_000, gt=0, description="a larger difference to the venue's clock stops the cycle"
    )

    @field_validator("instruments")
    @classmethod
    def _pairs(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(
            Instrument.parse(with_slash(s), venue="x", market=Market.SPOT).symbol for s in symbols
        )
        if len(set(cleaned)) != len(cleaned):
            raise ValueError("an instrument is listed twice")
        return cleaned

    def listed(self) -> tuple[Instrument, ...]:
        """The instruments as values."""
        return tuple(Instrument.parse(s, venue=self.name, market=self.market) for s in self.instruments)


class CandleSettings(Section):
    """Which timeframes are kept, how deep, and when data is called bad."""

    timeframes: Timeframes = Field(
        (Timeframe.H1,), min_length=1, description="timeframes that are traded, 5m to 1d"
    )
    beside: Timeframes = Field((Timeframe.M15, Timeframe.D1), description="timeframes collected beside them")
    depth_days: int = Field(
        730, gt=0, description="history at 1h and above; a traded timeframe has what training takes at least"
    )
    depth_days_below_1h: int = Field(183, gt=0, description="history below 1h; the same holds")
    page_rows: int = Field(1000, ge=10, le=1500, description="candles asked for in one call")
    settle_s: float = Field(2.0, ge=0, description="wait after a candle's end before it counts as closed")
    stale_after_bars: float = Field(2.0, gt=0, description="newest candle older than this many bars is stale")
    jump_frac: float = Field(
        0.5, gt=0, description="a close further than this from the last is reported as a jump"
    )
    zero_volume_run_bars: int = Field(24, ge=1, description="longer runs without volume are reported")

    @field_validator("timeframes")
    @classmethod
    def _tradable(cls, timeframes: tuple[Timeframe, ...]) -> tuple[Timeframe, ...]:
        for tf in timeframes:
            if not Timeframe.M5.ms <= tf.ms <= Timeframe.D1.ms:
                raise ValueError(f"{tf} cannot be traded; choose from 5m to 1d")
        return timeframes

    def collected(self) -> tuple[Timeframe, ...]:
        """Every timeframe to collect, traded ones first, without repeats."""
        return tuple(dict.fromkeys((*self.timeframes, *self.beside)))

    def depth_ms(self, timeframe: Timeframe) -> int:
        """How far back the history of a timeframe is set to reach."""
        days = self.depth_days if timeframe.ms >= Timeframe.H1.ms else self.depth_days_below_1h
        return days * DAY_MS

    def depth_key(self, timeframe: Timeframe) -> str:
        """The setting that says so."""
        return "candles.depth_days" if timeframe.ms >= Timeframe.H1.ms else "candles.depth_days_below_1h"


class SimSettings(Section):
    """The built-in exchange simulator."""

    host: str = Field("127.0.0.1", description="address the simulator listens on")
    port: int = Field(8900, ge=0, le=65535, description="its port; 0 takes a free one")
    candles_dir: Path | None = Field(
        None, description="folder with real candles (Parquet or CSV) to serve; empty: the generator"
    )
    seed: int = Field(1, ge=0, description="seed of the generator")
    edge: float = Field(
        0.36, ge=0.0, le=1.0, description="how much of the next move can be learned; 0 nothing"
    )
    days_before_end: float = Field(
        30.0, gt=0, description="the world's clock starts this long before the data ends"
    )
    seconds_per_candle: float = Field(
        5.0, ge=0, description="wall seconds per trading candle; 0: stepped by request"
    )


class LakeSettings(Section):
    """Where candles are kept."""

    url: str = Field(
        "", description="s3://bucket/prefix, or a folder; empty: inside state_dir. Mode sim adds /sim/<world>"
    )
    s3_endpoint: str = Field("", description="address of an S3-compatible server; empty: AWS")
    s3_region: str = Field("us-east-1", description="region of the bucket")


class LedgerSettings(Section):
    """Where orders, fills and all other records are kept."""

    database_url: DatabaseUrl = Field(
        SecretStr(""), description="postgresql+psycopg://… or sqlite:///…; empty: SQLite inside state_dir"
    )
    busy_timeout_s: float = Field(10.0, gt=0, description="how long SQLite waits for another writer")


class BarrierSettings(Section):
    """One set of barriers for labels, backtest, paper and live."""

    target_atr: float = Field(2.0, gt=0, description="target, in average true ranges from the entry")
    stop_atr: float = Field(1.0, gt=0, description="stop, in average true ranges from the entry")
    horizon_bars: int = Field(20, ge=1, le=500, description="the position is closed after this many bars")
    atr_bars: int = Field(14, ge=2, le=200, description="bars of the average true range")
    trailing_atr: float = Field(0.0, ge=0, description="trailing stop behind the best price, in ATR; 0 none")


class CostSettings(Section):
    """One cost model for labels, decision, backtest and paper. Each is for one side of a round trip."""

    fee_bps: Bps = Field(
        10.0,
        description="fee of one fill in basis points of its notional; not set: the taker fee of the venue and market "
        "(binance spot 10, linear 5; bybit spot 10, linear 5.5), 10 elsewhere",
    )
    slippage_bps: Bps = Field(2.0, description="how much worse than the price a fill is, in basis points")

    @property
    def round_trip_frac(self) -> float:
        """Cost of entry and exit together as a fraction of the notional."""
        return 2.0 * (self.fee_bps + self.slippage_bps) / 10_000.0


class ModelSettings(Section):
    """Training."""

    test_frac: float = Field(0.2, gt=0, lt=0.5, description="newest share of the rows, never trained on")
    calibration_frac: float = Field(0.15, gt=0, lt=0.5, description="share before it, for calibration")
    embargo_bars: int = Field(20, ge=0, description="rows left out after each boundary, beyond the purge")
    min_rows: int = Field(500, ge=100, description="fewer labelled rows refuse to train")
    trials: int = Field(6, ge=0, le=1000, description="Optuna trials a role; 0 takes the defaults")
    rounds: int = Field(300, ge=10, le=5000, description="most boosting rounds; early stopping takes fewer")
    pooling: bool = Field(
        True, description="trees learn from the other traded series of the timeframe as well"
    )
    threads: int = Field(2, ge=1, le=256, description="threads of one training")
    seed: int = Field(17, ge=0, description="seed of everything random in training")
    max_age_days: float = Field(14.0, gt=0, description="an older model is reported")


class SignalSettings(Section):
    """Floors of the decision. Regimes scale them."""

    prob_min: Frac = Field(
        0.42, description="least calibrated probability that the target comes before the stop"
    )
    min_expected_return: float = Field(
        0.0005, ge=0, le=1, description="least mean return that is forecast towards the side, as a fraction"
    )
    risk_max: Frac = Field(0.75, description="largest risk score")
    min_reward_risk: float = Field(
        1.0, gt=0, description="least result at the target over the loss at the stop, both net of costs"
    )
    cooldown_bars: int = Field(
        3,
        ge=0,
        description="bars to wait after a signal that was taken; other timeframes of its instrument wait too",
    )
    gap_rest_bars: int = Field(
        20,
        ge=0,
        description="bars to wait after an unrepairable gap; one that may still be filled refuses until it is",
    )
    adx_trend: float = Field(25.0, gt=0, lt=100, description="ADX at and above this is a trend")
    high_vol_atr_ratio: float = Field(
        1.8, gt=1, description="ATR fraction over its median from which volatility is high"
    )
    trend_prob_min_factor: float = Field(0.95, gt=0, le=10, description="in a trend `prob_min` times this")
    trend_min_expected_return_factor: float = Field(
        0.80, gt=0, le=10, description="in a trend `min_expected_return` times this"
    )
    trend_risk_max_factor: float = Field(1.05, gt=0, le=10, description="in a trend `risk_max` times this")
    high_vol_prob_min_factor: float = Field(
        1.15, gt=0, le=10, description="in high volatility `prob_min` times this"
    )
    high_vol_min_expected_return_factor: float = Field(
        1.50, gt=0, le=10, description="in high volatility `min_expected_return` times this"
    )
    high_vol_risk_max_factor: float = Field(
        0.80,
        gt=0,
        le=10,
        description="in high volatility `risk_max` times this; the score grows with volatility too, so by default "
        "nothing is entered unless the stop is improbable: docs/signals.md",
    )
    max_age_bars: float = Field(
        1.0, gt=0, description="no signal from a candle that closed longer ago than this"
    )
    max_delay_s: float = Field(
        120.0,
        gt=0,
        description="wall seconds from a candle's close to its decision; a later one is refused: its entry is past",
    )


class RiskSettings(Section):
    """Limits that no strategy can lift."""

    initial_equity_quote: Decimal = Field(Decimal(10_000), gt=0, description="paper account at its start")
    risk_per_trade_frac: float = Field(
        0.01, gt=0, le=0.02, description="loss at the stop, costs included, as a share of equity"
    )
    max_position_frac: float = Field(
        0.5, gt=0, le=1, description="largest notional of one instrument as a share of equity"
    )
    max_exposure_frac: float = Field(
        1.0, gt=0, le=3, description="largest notional of all positions as a share of equity"
    )
    max_open_positions: int = Field(3, ge=1, le=100, description="positions open at once")
    max_daily_loss_frac: float = Field(
        0.03, gt=0, le=1, description="loss of a UTC day that stops entries until the next"
    )
    max_weekly_loss_frac: float = Field(
        0.07, gt=0, le=1, description="loss of a UTC week that stops entries until the next"
    )
    losing_streak: int = Field(3, ge=1, description="losses in a row that start a pause")
    losing_streak_pause_h: float = Field(12.0, ge=0, description="length of that pause")


class JobSettings(Section):
    """The scheduler."""

    timezone: str = Field("UTC", description="zone of the schedules' wall times")
    disabled: Symbols = Field((), description="jobs that are not scheduled")
    signal_loop_s: float = Field(
        900.0, gt=0, description="longest pause of the signals daemon; candle closes wake it earlier"
    )
    lease_s: float = Field(60.0, ge=5, description="a lease that is not renewed for this long is free")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
            raise ValueError(f"{name!r} is no time zone; write one such as UTC or Europe/Madrid") from cause
        return name


class ApiSettings(Section):
    """The HTTP API."""

    host: str = Field("127.0.0.1", description="address; anything but loopback needs a token")
    port: int = Field(8000, ge=0, le=65535, description="port; 0 takes a free one")
    token: SecretStr = Field(
        SecretStr(""),
        description="bearer token, from the environment only; it or its hash is required off loopback",
    )
    token_sha256: str = Field(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 of the bearer token in hex, for files; `sereno api-token` makes both",
    )
    metrics_prefix: str = Field(
        "ost_", pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", description="prefix of the metric names"
    )

    @property
    def token_digest(self) -> str:
        """SHA-256 in hex of the token that is asked for; empty: none is."""
        token = self.token.get_secret_value()
        return sha256(token.encode()).hexdigest() if token else self.token_sha256


class RetentionSettings(Section):
    """For how long what the ledger need not keep is kept. Orders, fills, positions and the audit stay for ever."""

    runs_days: int = Field(
        180, ge=35, description="records of runs; of each job the newest that ended in each way stays"
    )
    findings_days: int = Field(400, ge=7, description="what the anomaly checks noticed")
    alerts_days: int = Field(400, ge=7, description="alerts that were delivered or given up")
    forecasts_days: int = Field(180, ge=1, description="forecasts; every signal has its own copy")
    refused_features_days: int = Field(
        90, ge=1, description="feature values of signals that said no; the signal itself stays longer"
    )
    refused_signals_days: int = Field(
        400, ge=30, description="signals that said no and that nothing rests on; taken ones stay for ever"
    )
    equity_points_days: int = Field(90, ge=8, description="every point of the equity curve; then one a day")
    model_versions_days: int = Field(
        730, ge=30, description="the ledger's line about models that do not serve"
    )


class WalkForwardSettings(Section):
    """How the job `walkforward` and `sereno backtest` repeat the training."""

    folds: int = Field(4, ge=1, le=50, description="trainings, each on a longer past than the one before")
    first_frac: float = Field(
        0.4, gt=0, lt=1, description="share of the rows that the first of them may know"
    )
    rounds: int = Field(
        150, ge=10, le=5000, description="most boosting rounds of one of them, within models.rounds"
    )


class WatchSettings(Section):
    """From when on the job `anomaly` calls something a finding."""

    drought_bars: int = Field(120, ge=1, description="bars without a signal that was taken")
    one_sided_frac: Frac = Field(
        0.9,
        description="share of the signals taken, where shorts are possible, that face one way, above which",
    )
    one_sided_least: int = Field(8, ge=2, description="fewer signals than this are not judged so")
    missed_last: int = Field(
        24,
        ge=1,
        le=200,
        description="newest signals of a series that are judged by their delay; fewer are not",
    )
    missed_frac: Frac = Field(0.25, description="share of them that came too late, above which")
    missed_high_frac: Frac = Field(
        0.5, description="share of them that came too late that is high, above which"
    )
    drawdown_high_frac: Frac = Field(0.08, description="fall of equity below its peak that is high")
    drawdown_critical_frac: Frac = Field(0.12, description="fall of equity below its peak that is critical")
    failures_high: int = Field(3, ge=1, description="failures of a job in a row that are high, not a warning")


class MetricsSettings(Section):
    """Where Prometheus finds the newest run of each job. In one place only, so that it counts nothing twice."""

    textfile: bool = Field(
        False,
        description="files in metrics/ below the state directory for node_exporter, which /metrics then leaves out",
    )


class NotifySettings(Section):
    """Where alerts of severity high and critical go, besides the log and the ledger."""

    telegram_bot_token: SecretStr = Field(SecretStr(""), description="bot token; empty: no Telegram")
    telegram_chat_id: str = Field("", description="chat that receives the alerts")
    telegram_base_url: str = Field("https://api.telegram.org", description="address of the Bot API")


class LogSettings(Section):
    """Structured logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe level written"
    )
    format: Literal["json", "console"] = Field("json", description="json lines, or text for eyes")
    file_bytes: int = Field(
        5_242_880, ge=4096, description="size at which a log file of the desk's processes is put aside"
    )
    files_kept: int = Field(2, ge=1, le=100, description="log files kept aside of each process")

    @field_validator("level", mode="before")
    @classmethod
    def _upper(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level
