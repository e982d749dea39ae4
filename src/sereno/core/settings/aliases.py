"""Environment names of the source systems that keep working. `docs/migrating.md` is made from this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _as_is(value: str) -> str:
    return value


def _mode_of_paper_flag(value: str) -> str:
    return "paper" if _truth(value) else "live"


def _mode_of_live_flag(value: str) -> str | None:
    return "live" if _truth(value) else None


def _mode_of_word(value: str) -> str:
    word = value.strip().lower()
    return {"test": "paper", "demo": "paper", "real": "live"}.get(word, word)


def _truth(value: str) -> bool:
    return value.strip().lower() in {"1", "true", "yes", "on"}


def _hours(minutes: str) -> str:
    """What is no number is handed on as it is, and refused with the key."""
    try:
        return repr(float(minutes) / 60.0)
    except ValueError:
        return minutes


def _database_url(value: str) -> str:
    """SQLAlchemy's driver name made explicit: psycopg 3."""
    for plain in ("postgresql://", "postgres://"):
        if value.startswith(plain):
            return "postgresql+psycopg://" + value.removeprefix(plain)
    return value


@dataclass(frozen=True, slots=True)
class Alias:
    """`name` in the environment sets `key`. `convert` may answer None: then nothing is set."""

    name: str
    key: str
    origin: str
    note: str = ""
    convert: Callable[[str], str | None] = _as_is


ALIASES: tuple[Alias, ...] = (
    Alias(
        "DATABASE_URL",
        "ledger.database_url",
        "Ayram, One Smart Trade",
        "`postgresql://` becomes `postgresql+psycopg://`",
        _database_url,
    ),
    Alias("LOG_LEVEL", "log.level", "all"),
    Alias("LOG_FORMAT", "log.format", "bot-cripto"),
    Alias("DATA_DIR", "state_dir", "One Smart Trade", "all state, not only data, lives there"),
    Alias("SCHEDULER_TIMEZONE", "jobs.timezone", "One Smart Trade"),
    Alias(
        "RECOMMENDATION_UPDATE_TIME",
        "recommendation_update_time",
        "One Smart Trade",
        "HH:MM; adds one `signals-daily` run at that time",
    ),
    Alias(
        "LIVE_MODE",
        "mode",
        "bot-cripto",
        "`true` asks for mode live; `false` changes nothing",
        _mode_of_live_flag,
    ),
    Alias(
        "PAPER_MODE", "mode", "bot-cripto", "`true` is mode paper, `false` is mode live", _mode_of_paper_flag
    ),
    Alias(
        "SLSBOT_MODE",
        "mode",
        "SLS_Bot",
        "`test` and `demo` are mode paper, `real` is mode live; any other word is refused",
        _mode_of_word,
    ),
    Alias("BOT_MODE", "mode", "Ayram", "as `SLSBOT_MODE`", _mode_of_word),
    Alias("LIVE_CONFIRM_TOKEN", "live_confirm_token", "bot-cripto"),
    Alias(
        "PROB_MIN",
        "signals.prob_min",
        "bot-cripto",
        "now the calibrated probability of a 2:1 barrier, so 0.60 is far stricter than it was",
    ),
    Alias(
        "MIN_EXPECTED_RETURN",
        "signals.min_expected_return",
        "bot-cripto",
        "of the mean return that is forecast towards the side",
    ),
    Alias(
        "RISK_MAX", "signals.risk_max", "bot-cripto", "now the probability of the stop scaled with volatility"
    ),
    Alias("RR_FLOOR", "signals.min_reward_risk", "One Smart Trade", "now net of fees and slippage"),
    Alias("REGIME_ADX_TREND_MIN", "signals.adx_trend", "bot-cripto"),
    Alias("FEES_BPS", "costs.fee_bps", "bot-cripto", "of one fill, not of the round trip"),
    Alias("SLIPPAGE_BPS", "costs.slippage_bps", "bot-cripto", "of one fill"),
    Alias("PRED_HORIZON_STEPS", "barriers.horizon_bars", "bot-cripto"),
    Alias("INITIAL_EQUITY", "risk.initial_equity_quote", "bot-cripto"),
    Alias("RISK_PER_TRADE", "risk.risk_per_trade_frac", "bot-cripto"),
    Alias("MAX_DAILY_DRAWDOWN", "risk.max_daily_loss_frac", "bot-cripto"),
    Alias("LIVE_MAX_DAILY_LOSS", "risk.max_daily_loss_frac", "bot-cripto"),
    Alias("MAX_WEEKLY_DRAWDOWN", "risk.max_weekly_loss_frac", "bot-cripto"),
    Alias(
        "MAX_POSITION_SIZE", "risk.max_position_frac", "bot-cripto", "largest notional as a share of equity"
    ),
    Alias(
        "RISK_COOLDOWN_MINUTES",
        "risk.losing_streak_pause_h",
        "bot-cripto",
        "minutes; the pause after `risk.losing_streak` losses in a row",
        _hours,
    ),
    Alias("EXCHANGE", "venue.name", "bot-cripto"),
    Alias("DATA_PROVIDER", "venue.name", "bot-cripto"),
    Alias("SYMBOLS", "venue.instruments", "bot-cripto", "`BTCUSDT` is read as `BTC/USDT`"),
    Alias("TIMEFRAME", "candles.timeframes", "bot-cripto"),
    Alias("BINANCE_API_BASE_URL", "venue.base_url", "One Smart Trade", "not in mode sim"),
    Alias("BYBIT_BASE_URL", "venue.base_url", "SLS_Bot", "not in mode sim"),
    Alias("BINANCE_API_KEY", "venue.api_key", "AMI", "only while `venue.name` is binance"),
    Alias("BINANCE_API_SECRET", "venue.api_secret", "AMI", "only while `venue.name` is binance"),
    Alias("BYBIT_API_KEY", "venue.api_key", "SLS_Bot", "only while `venue.name` is bybit"),
    Alias("BYBIT_API_SECRET", "venue.api_secret", "SLS_Bot", "only while `venue.name` is bybit"),
    Alias("API_HOST", "api.host", "SLS_Bot"),
    Alias("API_PORT", "api.port", "SLS_Bot"),
    Alias("SLS_API_PORT", "api.port", "SLS_Bot"),
    Alias("PANEL_API_TOKEN", "api.token", "SLS_Bot"),
    Alias("ADMIN_API_KEY", "api.token", "One Smart Trade"),
    Alias("TELEGRAM_BOT_TOKEN", "notify.telegram_bot_token", "Ayram, bot-cripto"),
    Alias("TELEGRAM_CHAT_ID", "notify.telegram_chat_id", "Ayram, bot-cripto"),
    Alias("MONITOR_TELEGRAM_TOKEN", "notify.telegram_bot_token", "SLS_Bot"),
    Alias("MONITOR_TELEGRAM_CHAT_ID", "notify.telegram_chat_id", "SLS_Bot"),
    Alias("CEREBRO_TRAIN_SEED", "models.seed", "SLS_Bot"),
    Alias("MAX_RETRIES", "venue.retries", "AMI"),
    Alias("RETRY_BACKOFF_BASE", "venue.retry_base_s", "AMI"),
)

VENUE_ALIASES = {"BINANCE_": "binance", "BYBIT_": "bybit"}
