"""Environment names of the source systems that do not carry over, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Retired:
    """`names` may end in `*`.

    generic   such a variable may be set for other reasons, so nobody is told that it has no effect
    """

    names: tuple[str, ...]
    origin: str
    instead: str
    generic: bool = False

    def covers(self, name: str) -> bool:
        """Whether a variable is one of these."""
        return any(fnmatchcase(name, pattern) for pattern in self.names)


_OST, _BOT, _SLS = "One Smart Trade", "bot-cripto", "SLS_Bot"

RETIRED: tuple[Retired, ...] = (
    Retired(
        ("HOST", "PORT"), _SLS, "too common to be ours: set `API_HOST`, `API_PORT`, or `SERENO_API__…`", True
    ),
    Retired(
        ("DB_*", "POSTGRES_*", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"),
        "Ayram",
        "parts of an address that other programs set too: write one `DATABASE_URL`",
        True,
    ),
    Retired(
        ("BOT_HOST", "BOT_PORT", "SLS_BOT_PORT", "PANEL_PORT"),
        _SLS,
        "one API serves everything: `api.host`, `api.port`",
    ),
    Retired(("SLSBOT_CONFIG",), _SLS, "`SERENO_CONFIG` names a settings file, of another form"),
    Retired(
        ("PYTHON_BIN", "SLS_SKIP_TIME_SYNC", "BRIDGE_*", "PNL_*", "ARENA_*_PATH", "*_LOG"),
        _SLS,
        "files and folders lie below `state_dir`",
        True,
    ),
    Retired(
        ("BYBIT_ACCOUNT_TYPE", "BYBIT_DEFAULT_LEVERAGE"), _SLS, "there is no live broker yet; no leverage"
    ),
    Retired(
        ("LEVERAGE_*",), _OST, "no leverage: `risk.max_exposure_frac` bounds the notional of all positions"
    ),
    Retired(
        ("DATA_FRESHNESS_THRESHOLD_MINUTES",),
        _OST,
        "counted in bars of each timeframe: `candles.stale_after_bars` (90 minutes at 1h are 1.5)",
    ),
    Retired(("DATA_GAP_*", "FILL_GAPS_FFILL_LIMIT"), f"{_OST}, {_BOT}", "gaps are repaired, never filled in"),
    Retired(
        ("COOLDOWN_*", "AUTO_SHUTDOWN_*", "RISK_CIRCUIT_BREAKER_MINUTES", "HARD_STOP_MAX_LOSS"),
        f"{_OST}, {_BOT}",
        "`risk.losing_streak`, `risk.losing_streak_pause_h`, `risk.max_daily_loss_frac`, "
        "`risk.max_weekly_loss_frac`",
    ),
    Retired(("EXPOSURE_*",), _OST, "`risk.max_position_frac`, `risk.max_exposure_frac`"),
    Retired(("BACKTEST_*",), _OST, "options of `sereno backtest`; its costs are `costs.*`"),
    Retired(
        ("LIQUIDITY_*", "WORM_RETENTION_DAYS", "HASH_TTL_DAYS", "EXPORT_ROLES_ALLOWED"), _OST, "not there"
    ),
    Retired(("SPREAD_BPS",), _BOT, "add half of it to `costs.slippage_bps`, which is of one fill"),
    Retired(
        ("ENCODER_LENGTH", "META_MODEL_*", "LABEL_EDGE_RETURN"), _BOT, "the models are others: `models.*`"
    ),
    Retired(
        ("REGIME_*",), _BOT, "`signals.adx_trend` and `signals.high_vol_atr_ratio`; the other thresholds went"
    ),
    Retired(("RISK_KELLY_*", "RISK_CVAR_*"), _BOT, "size comes from the stop: `risk.risk_per_trade_frac`"),
    Retired(
        (
            "EODHD_API_KEY",
            "MACRO_*",
            "SOCIAL_SENTIMENT_*",
            "X_BEARER_TOKEN",
            "CRYPTOPANIC_*",
            "GNEWS_API_KEY",
        ),
        f"Ayram, {_BOT}, {_SLS}",
        "no such feed yet: candles are the only facts",
    ),
    Retired(("CC_*",), _BOT, "the gate compares with the baseline and with what serves", True),
    Retired(("TELEGRAM_ENABLE_COMMANDS", "TELEGRAM_ALLOWED_CHAT_IDS"), _BOT, "alerts go out, no commands in"),
    Retired(
        ("ALERT_WEBHOOK_URL", "ALERT_TO", "ALERT_FROM", "*SLACK_*"),
        f"{_OST}, {_SLS}",
        "alerts go to the log, the ledger and Telegram: `notify.*`",
    ),
    Retired(
        (
            "SMTP_*",
            "MLFLOW_*",
            "RESTIC_*",
            "GRAFANA_*",
            "PROM_BASE",
            "ALERTMANAGER_BASE",
            "APP_ROOT",
            "SVC_USER",
            "INSTALL_SYSTEMD",
            "DEPLOY_*",
            "AUTOPILOT_*",
        ),
        "all",
        "belongs to another program, or to deployment, which the desk does not read",
        True,
    ),
    Retired(("REAL_WATCHDOG_*",), _SLS, "the job `anomaly` watches: thresholds in `candles.*`, `risk.*`"),
    Retired(("MONITOR_*",), _SLS, "the job `anomaly` watches, through the desk's own ledger"),
    Retired(
        ("CORS_ORIGINS", "ALLOWED_ORIGINS"),
        f"{_OST}, {_SLS}",
        "the API is read only and serves no other origin",
    ),
    Retired(
        ("CONTROL_*", "PANEL_API_TOKENS", "TRUST_PROXY_BASIC", "PROXY_BASIC_HEADER", "PANEL_RATE_LIMIT_*"),
        _SLS,
        "one token: `api.token`, or its hash as `api.token_sha256`",
    ),
    Retired(("WEBHOOK_*", "SLS_WEBHOOK_URL", "RATE_LIMIT_*"), _SLS, "no webhook takes orders"),
    Retired(
        ("CEREBRO_*", "SLS_CEREBRO_*"),
        _SLS,
        "training is the job `train`; `models.*` sets it, the gate judges it",
    ),
    Retired(("STRATEGY_*", "DEMO_EMITTER_*", "SMOKE_REAL_*"), _SLS, "no strategies from outside yet"),
    Retired(
        ("SLS_API_BASE", "SLS_PANEL_TOKEN", "SLS_CONTROL_*"), _SLS, "the command line reads the ledger itself"
    ),
    Retired(
        ("NODE_EXPORTER_TEXTFILE_DIR",),
        _SLS,
        "`metrics.textfile = true` writes to `metrics/` below `state_dir`: link that folder",
    ),
    Retired(("NEXT_PUBLIC_*",), _SLS, "there is no panel to build", True),
)


def retired(name: str) -> Retired | None:
    """The rule for a variable; None for one that is not known, or that still works."""
    from sereno.core.settings.aliases import ALIASES

    if any(alias.name == name for alias in ALIASES):
        return None
    return next((rule for rule in RETIRED if rule.covers(name)), None)
