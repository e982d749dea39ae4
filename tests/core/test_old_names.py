"""Names of the source systems: which of two wins, which are set in vain, which do not carry over."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.errors import FixConfig
from sereno.core.mode import Mode
from sereno.core.settings import Loaded, load
from sereno.core.settings.aliases import ALIASES
from sereno.core.settings.retired import RETIRED, retired


def loaded(tmp_path: Path, *, toml: str = "", dotenv: str = "", **env: str) -> Loaded:
    (tmp_path / "sereno.toml").write_text(toml)
    (tmp_path / ".env").write_text(dotenv)
    return load(env=env, cwd=tmp_path)


@pytest.mark.parametrize(
    "env",
    [
        {"MAX_DAILY_DRAWDOWN": "0.02", "LIVE_MAX_DAILY_LOSS": "0.05"},
        {"LIVE_MAX_DAILY_LOSS": "0.02", "MAX_DAILY_DRAWDOWN": "0.05"},
        {"API_PORT": "8001", "SLS_API_PORT": "8002"},
        {"EXCHANGE": "binance", "DATA_PROVIDER": "bybit"},
        {"SLSBOT_MODE": "test", "LIVE_MODE": "true"},
        {"PAPER_MODE": "true", "LIVE_MODE": "true"},
    ],
)
def test_two_old_names_that_differ_are_refused_with_both(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(FixConfig, match=r"settings\.names_disagree") as refusal:
        load(env=env, cwd=tmp_path)
    for name, value in env.items():
        assert f"{name} = '{value}' (environment)" in str(refusal.value)


def test_a_mode_that_is_asked_for_twice_is_refused_also_with_the_token(tmp_path: Path) -> None:
    with pytest.raises(FixConfig, match=r"SERENO_MODE, which wins"):
        loaded(tmp_path, SLSBOT_MODE="test", LIVE_MODE="true", LIVE_CONFIRM_TOKEN="I_UNDERSTAND_LIVE_TRADING")


def test_they_are_refused_also_when_they_lie_in_two_places(tmp_path: Path) -> None:
    with pytest.raises(FixConfig) as refusal:
        loaded(tmp_path, dotenv="MAX_DAILY_DRAWDOWN=0.02\n", LIVE_MAX_DAILY_LOSS="0.05")
    assert f"MAX_DAILY_DRAWDOWN = '0.02' ({tmp_path / '.env'})" in str(refusal.value)


def test_secrets_that_differ_are_not_shown(tmp_path: Path) -> None:
    with pytest.raises(FixConfig) as refusal:
        loaded(tmp_path, PANEL_API_TOKEN="one-in-clear", ADMIN_API_KEY="other-in-clear")
    assert "PANEL_API_TOKEN" in str(refusal.value)
    assert "in-clear" not in str(refusal.value)


def test_two_old_names_that_agree_are_one(tmp_path: Path) -> None:
    got = loaded(tmp_path, MAX_DAILY_DRAWDOWN="0.02", LIVE_MAX_DAILY_LOSS="0.020")
    assert got.settings.risk.max_daily_loss_frac == 0.02


def test_a_name_of_ours_settles_it_wherever_it_stands(tmp_path: Path) -> None:
    got = loaded(
        tmp_path,
        dotenv="SERENO_RISK__MAX_DAILY_LOSS_FRAC=0.01\n",
        MAX_DAILY_DRAWDOWN="0.02",
        LIVE_MAX_DAILY_LOSS="0.05",
    )
    assert got.settings.risk.max_daily_loss_frac == 0.01
    assert {one.source for one in got.unused} == {
        "environment: MAX_DAILY_DRAWDOWN",
        "environment: LIVE_MAX_DAILY_LOSS",
    }
    assert f"risk.max_daily_loss_frac is set by {tmp_path / '.env'}: SERENO_RISK" in got.unused[0].why


def test_the_same_name_in_the_environment_beats_the_one_in_the_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, dotenv="PROB_MIN=0.5\n", PROB_MIN="0.6").settings.signals.prob_min == 0.6
    assert (
        loaded(tmp_path, toml="[signals]\nprob_min = 0.4\n", PROB_MIN="0.6").settings.signals.prob_min == 0.6
    )


@pytest.mark.parametrize("name", ["BINANCE_API_BASE_URL", "BYBIT_BASE_URL"])
def test_an_address_under_an_old_name_is_not_used_in_a_simulated_world(tmp_path: Path, name: str) -> None:
    venue = name.partition("_")[0].lower()
    env = {name: "https://elsewhere.example", "SERENO_VENUE__NAME": venue}
    simulated = load(env=env, cwd=tmp_path)
    assert simulated.settings.venue.base_url == ""
    assert [(one.source, one.why) for one in simulated.unused] == [
        (f"environment: {name}", "in mode sim the built-in simulator is the venue")
    ]
    paper = load(env={**env, "SERENO_MODE": "paper"}, cwd=tmp_path)
    assert paper.settings.venue.base_url == "https://elsewhere.example"
    assert paper.unused == ()


@pytest.mark.parametrize("where", ["toml", "environment", "command line"])
def test_an_address_under_our_own_name_refuses_a_simulated_world(tmp_path: Path, where: str) -> None:
    url = "https://elsewhere.example"
    (tmp_path / "sereno.toml").write_text(f'[venue]\nbase_url = "{url}"\n' if where == "toml" else "")
    env = {"SERENO_VENUE__BASE_URL": url} if where == "environment" else {}
    overrides = {"venue.base_url": url} if where == "command line" else {}
    with pytest.raises(FixConfig, match=rf"venue\.base_url = {url} has no place in mode sim.*unset it"):
        load(env=env, cwd=tmp_path, overrides=overrides)


def test_what_is_meant_for_another_venue_is_told(tmp_path: Path) -> None:
    (one,) = loaded(tmp_path, BYBIT_API_KEY="k").unused
    assert (one.source, one.why) == (
        "environment: BYBIT_API_KEY",
        "it is for venue bybit, and venue.name is binance",
    )


def test_names_that_do_not_carry_over_are_told_and_common_ones_are_not(tmp_path: Path) -> None:
    got = loaded(
        tmp_path, SPREAD_BPS="2", HOST="0.0.0.0", PORT="80", POSTGRES_USER="me", PATH="/bin", COOLDOWN_H="3"
    )
    assert [one.source for one in got.unused] == ["environment: SPREAD_BPS", "environment: COOLDOWN_H"]
    assert "costs.slippage_bps" in got.unused[0].why
    assert got.settings.api.host == "127.0.0.1"


def test_a_name_that_works_is_not_among_those_that_do_not() -> None:
    assert [alias.name for alias in ALIASES if retired(alias.name)] == []
    assert retired("PATH") is None
    assert retired("SERENO_MODE") is None
    assert all(rule.names and rule.origin and rule.instead for rule in RETIRED)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "EODHD_API_KEY",
            "MLFLOW_TRACKING_URI",
            "CORS_ORIGINS",
            "ALERT_WEBHOOK_URL",
            "SMTP_HOST",
            "ALERT_TO",
        ),
        *("DATA_FRESHNESS_THRESHOLD_MINUTES", "DATA_GAP_TOLERANCE", "BACKTEST_FEE", "AUTO_SHUTDOWN_DD"),
        *("COOLDOWN_HOURS", "LEVERAGE_MAX", "EXPOSURE_MAX", "LIQUIDITY_MIN", "WORM_RETENTION_DAYS"),
        *(
            "HASH_TTL_DAYS",
            "EXPORT_ROLES_ALLOWED",
            "ENCODER_LENGTH",
            "HARD_STOP_MAX_LOSS",
            "LABEL_EDGE_RETURN",
        ),
        *("SPREAD_BPS", "REGIME_WINDOW", "MACRO_ENABLED", "SOCIAL_SENTIMENT_X", "X_BEARER_TOKEN"),
        *("CRYPTOPANIC_API_KEY", "GNEWS_API_KEY", "META_MODEL_MIN", "RISK_KELLY_FRACTION", "RISK_CVAR_ALPHA"),
        *("RISK_CIRCUIT_BREAKER_MINUTES", "CC_MIN", "FILL_GAPS_FFILL_LIMIT", "TELEGRAM_ENABLE_COMMANDS"),
        *(
            "SLSBOT_CONFIG",
            "HOST",
            "PORT",
            "BOT_HOST",
            "SLS_BOT_PORT",
            "PANEL_PORT",
            "PYTHON_BIN",
            "BRIDGE_LOG",
        ),
        *("SLS_SKIP_TIME_SYNC", "BRIDGE_HEARTBEAT_SEC", "PNL_SYMBOLS_JSON", "ARENA_DB_PATH", "DECISIONS_LOG"),
        *("AUTOPILOT_SUMMARY_JSON", "BYBIT_ACCOUNT_TYPE", "BYBIT_DEFAULT_LEVERAGE", "ALLOWED_ORIGINS"),
        *(
            "CONTROL_USER",
            "PANEL_API_TOKENS",
            "TRUST_PROXY_BASIC",
            "PROXY_BASIC_HEADER",
            "WEBHOOK_SHARED_SECRET",
        ),
        *("PANEL_RATE_LIMIT_MAX", "RATE_LIMIT_WINDOW", "AUDIT_LOG", "SLS_CEREBRO_MODE", "CRYPTOPANIC_TOKEN"),
        *("CEREBRO_INGEST_PROM_FILE", "CEREBRO_TRAIN_EPOCHS", "CEREBRO_AUTO_MODE", "STRATEGY_ID"),
        *("DEMO_EMITTER_TOKEN", "SLS_WEBHOOK_URL", "NODE_EXPORTER_TEXTFILE_DIR", "MONITOR_API_BASE"),
        *("SLACK_WEBHOOK_MONITOR", "REAL_WATCHDOG_MODE", "RESTIC_REPOSITORY", "PROM_BASE", "GRAFANA_USER"),
        *("ALERTMANAGER_BASE", "SLS_API_BASE", "SLS_PANEL_TOKEN", "SLS_CONTROL_USER", "SMOKE_REAL_TF"),
        *("APP_ROOT", "SVC_USER", "INSTALL_SYSTEMD", "DEPLOY_HOST", "NEXT_PUBLIC_API_BASE"),
    ],
)
def test_every_name_of_the_source_systems_is_answered(name: str) -> None:
    """Origins E5 and A29: what is no alias is in the table of those that do not carry over."""
    assert retired(name) is not None


def test_old_words_for_the_mode(tmp_path: Path) -> None:
    assert loaded(tmp_path, BOT_MODE="paper").settings.mode is Mode.PAPER
    with pytest.raises(FixConfig, match="mode = 'casino'"):
        loaded(tmp_path, BOT_MODE="casino")
    with pytest.raises(FixConfig, match=r"risk\.losing_streak_pause_h = 'soon' \(environment: RISK_COOLDOWN"):
        loaded(tmp_path, RISK_COOLDOWN_MINUTES="soon")
