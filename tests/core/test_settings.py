"""Settings: layers, aliases, refusals, relations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig
from sereno.core.mode import Mode
from sereno.core.settings import Settings, keys_of, load, rows_of
from sereno.core.settings.aliases import ALIASES
from sereno.core.timeframe import Timeframe


def loaded(tmp_path: Path, *, toml: str = "", dotenv: str = "", **env: str):
    if toml:
        (tmp_path / "sereno.toml").write_text(toml)
    if dotenv:
        (tmp_path / ".env").write_text(dotenv)
    return load(env=env, cwd=tmp_path)


def value_of(settings: Settings, key: str) -> object:
    value: object = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_later_layers_win_and_each_value_knows_its_layer(tmp_path: Path) -> None:
    got = loaded(
        tmp_path,
        toml="[sim]\nedge = 0.1\nseed = 1\n[venue]\nretries = 1\n",
        dotenv="SERENO_SIM__SEED=2\n",
        SERENO_VENUE__RETRIES="5",
    )
    assert (got.settings.sim.edge, got.settings.sim.seed, got.settings.venue.retries) == (0.1, 2, 5)
    assert got.sources["sim.edge"] == str(tmp_path / "sereno.toml")
    assert got.sources["sim.seed"] == f"{tmp_path / '.env'}: SERENO_SIM__SEED"
    assert got.sources["venue.retries"] == "environment: SERENO_VENUE__RETRIES"


def test_command_line_is_strongest(tmp_path: Path) -> None:
    got = load(env={"SERENO_SIM__SEED": "2"}, cwd=tmp_path, overrides={"sim.seed": 9})
    assert got.settings.sim.seed == 9


def test_lists_may_be_written_with_commas(tmp_path: Path) -> None:
    got = loaded(tmp_path, SERENO_VENUE__INSTRUMENTS="BTC/USDT, eth/usdt", SERENO_CANDLES__TIMEFRAMES="5m,1h")
    assert got.settings.venue.instruments == ("BTC/USDT", "ETH/USDT")
    assert got.settings.candles.timeframes == (Timeframe.M5, Timeframe.H1)


def test_lists_may_be_written_as_json(tmp_path: Path) -> None:
    got = loaded(
        tmp_path,
        SERENO_VENUE__INSTRUMENTS='["BTC/USDT", "eth/usdt"]',
        SERENO_CANDLES__TIMEFRAMES=' ["5m","1h"]',
        SERENO_CANDLES__BESIDE="[]",
    )
    assert got.settings.venue.instruments == ("BTC/USDT", "ETH/USDT")
    assert got.settings.candles.timeframes == (Timeframe.M5, Timeframe.H1)
    assert got.settings.candles.beside == ()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("BTCUSDT", "BTC/USDT"),
        ("ethbtc", "ETH/BTC"),
        ("BTCUSD", "BTC/USD"),
        ("SOLEUR", "SOL/EUR"),
        ("1000PEPEUSDT", "1000PEPE/USDT"),
        ("USDTUSDC", "USDT/USDC"),
        ("BTC/USDT:USDT", "BTC/USDT"),
    ],
)
def test_pairs_may_be_written_without_a_slash(tmp_path: Path, written: str, read: str) -> None:
    assert loaded(tmp_path, SYMBOLS=written).settings.venue.instruments == (read,)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("DOTUSD", "DO/TUSD or DOT/USD"),
        ("BNBUSD", "BN/BUSD or BNB/USD"),
        ("BTCFDUSD", "BTC/FDUSD or BTCFD/USD"),
    ],
)
def test_a_pair_that_can_be_read_in_two_ways_is_asked_about(tmp_path: Path, written: str, told: str) -> None:
    with pytest.raises(FixConfig, match=rf"{written} may be {told}: write it with its slash"):
        loaded(tmp_path, SYMBOLS=written)


@pytest.mark.parametrize("written", ["USDT", "BTC", "BTCXYZ", "AUSDT", "BTC-USDT", "BTCUSDT,BTC/USDT"])
def test_a_pair_that_cannot_be_told_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(FixConfig, match=r"venue\.instruments = .*SYMBOLS"):
        loaded(tmp_path, SYMBOLS=written)


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql+psycopg://me:pass@host:5432/db", "postgresql://host/db", "postgres://host/db"),
        *("sqlite:////var/lib/ledger.sqlite3", "sqlite:///ledger.sqlite3", ""),
    ],
)
def test_addresses_of_databases_that_can_be_used(tmp_path: Path, url: str) -> None:
    got = loaded(tmp_path, SERENO_LEDGER__DATABASE_URL=url).settings
    assert got.ledger.database_url.get_secret_value() == url


def test_the_simulated_venues_are_those_of_the_simulator() -> None:
    from sereno.core.settings.relations import SIMULATED_VENUES
    from sereno.sim.world import SPOKEN

    assert set(SIMULATED_VENUES) == set(SPOKEN)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"SERENO_SIM__EGDE": "0.1"}, "did you mean SERENO_SIM__EDGE"),
        ({"SERENO_SIM__EDGE": "7"}, "sim.edge = '7' (environment: SERENO_SIM__EDGE)"),
        ({"RISK_MAX": "3"}, "signals.risk_max = '3' (environment: RISK_MAX (old name))"),
        ({"SERENO_VENUE__INSTRUMENTS": "BTCXYZ"}, "for example BTC/USDT"),
        ({"SERENO_CANDLES__TIMEFRAMES": "1w"}, "choose from 5m to 1d"),
        ({"SERENO_API__HOST": "0.0.0.0"}, "set api.token"),
        ({"SERENO_BARRIERS__TARGET_ATR": "1"}, "no signal could ever pass"),
        ({"SERENO_RISK__MAX_DAILY_LOSS_FRAC": "0.2"}, "max_weekly_loss_frac"),
        ({"SERENO_RISK__MAX_EXPOSURE_FRAC": "0.1"}, "allow more exposure"),
        ({"SERENO_MODELS__EMBARGO_BARS": "3"}, "labels would overlap"),
        (
            {"SERENO_MODELS__TEST_FRAC": "0.4", "SERENO_MODELS__CALIBRATION_FRAC": "0.4"},
            "too little to train on",
        ),
        ({"SERENO_SIM__CANDLES_DIR": "/nowhere/at/all"}, "is not a folder"),
        ({"SLSBOT_MODE": "casino"}, "mode = 'casino'"),
        ({"RECOMMENDATION_UPDATE_TIME": "25:00"}, "not a time of day"),
        ({"SCHEDULER_TIMEZONE": "Europe/Madird"}, "no time zone; write one such as"),
        ({"SERENO_JOBS__TIMEZONE": "Europe"}, "jobs.timezone = 'Europe'"),
        ({"SERENO_JOBS__TIMEZONE": ""}, "no time zone"),
        ({"SERENO_JOBS__TIMEZONE": "../../etc/passwd"}, "no time zone"),
        ({"SERENO_VENUE__NAME": "../binance"}, "venue.name = '../binance'"),
        ({"SERENO_VENUE__NAME": "kraken"}, "venue.name = kraken in mode sim: the simulator speaks binance"),
        ({"EXCHANGE": "okx"}, "venue.name = okx in mode sim"),
        ({"SERENO_LEDGER__DATABASE_URL": "nonsense"}, "ledger.database_url = ******** (environment"),
        ({"DATABASE_URL": "mysql://me@host/db"}, "write postgresql+psycopg://USER@HOST/NAME or sqlite:////"),
        ({"SERENO_LEDGER__DATABASE_URL": "sqlite://"}, "no address of a database"),
        ({"SERENO_VENUE__INSTRUMENTS": '["BTC/USDT"'}, "venue.instruments = '[\"BTC/USDT\"' (environment"),
        ({"SERENO_VENUE__INSTRUMENTS": '["BTC/USDT"'}, "no JSON list"),
        ({"SERENO_VENUE__INSTRUMENTS": "[1]"}, "venue.instruments"),
        (
            {"SERENO_VENUE__INSTRUMENTS": "BTC/USDT,ETH/USDT,ETH/BTC"},
            "(BTC: ETH/BTC; USDT: BTC/USDT, ETH/USDT), and one account counts its money in one: keep the pairs",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(tmp_path: Path, env: dict[str, str], told: str) -> None:
    with pytest.raises(FixConfig) as refusal:
        load(env=env, cwd=tmp_path)
    assert told in str(refusal.value)


def test_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixConfig) as refusal:
        loaded(tmp_path, toml="[venu]\nname = 'x'\n")
    assert f"venu is no setting ({tmp_path / 'sereno.toml'})" in str(refusal.value)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FixConfig, match="settings.unreadable"):
        loaded(tmp_path, toml="[venue\n")
    with pytest.raises(FixConfig, match="settings.no_file"):
        load(env={"SERENO_CONFIG": str(tmp_path / "none.toml")}, cwd=tmp_path)


def test_secrets_are_masked_and_never_in_messages(tmp_path: Path) -> None:
    got = loaded(tmp_path, BINANCE_API_KEY="k3y-in-clear", SERENO_API__TOKEN="t0ken-in-clear")
    text = repr(list(rows_of(got))) + repr(got.settings)
    assert "in-clear" not in text
    with pytest.raises(FixConfig) as refusal:
        loaded(tmp_path, BINANCE_API_KEY="k3y-in-clear", SERENO_API__PORT="x")
    assert "in-clear" not in str(refusal.value)


SAMPLES = {
    "DATABASE_URL": ("postgresql://u@h/d", "postgresql+psycopg://u@h/d"),
    "LOG_LEVEL": ("debug", "DEBUG"),
    "LOG_FORMAT": ("console", "console"),
    "DATA_DIR": ("elsewhere", Path("elsewhere")),
    "SCHEDULER_TIMEZONE": ("Europe/Madrid", "Europe/Madrid"),
    "RECOMMENDATION_UPDATE_TIME": ("12:00", "12:00"),
    "PAPER_MODE": ("true", Mode.PAPER),
    "SLSBOT_MODE": ("demo", Mode.PAPER),
    "BOT_MODE": ("test", Mode.PAPER),
    "MAX_POSITION_SIZE": ("0.4", 0.4),
    "RISK_COOLDOWN_MINUTES": ("90", 1.5),
    "SLS_API_PORT": ("8002", 8002),
    "MONITOR_TELEGRAM_TOKEN": ("t", "t"),
    "MONITOR_TELEGRAM_CHAT_ID": ("7", "7"),
    "CEREBRO_TRAIN_SEED": ("5", 5),
    "LIVE_CONFIRM_TOKEN": ("word", "word"),
    "SYMBOLS": ("SOL/USDT", ("SOL/USDT",)),
    "TIMEFRAME": ("4h", (Timeframe.H4,)),
    "EXCHANGE": ("kraken", "kraken"),
    "DATA_PROVIDER": ("okx", "okx"),
    "PROB_MIN": ("0.5", 0.5),
    "MIN_EXPECTED_RETURN": ("0.01", 0.01),
    "RISK_MAX": ("0.3", 0.3),
    "RR_FLOOR": ("1.2", 1.2),
    "REGIME_ADX_TREND_MIN": ("20", 20.0),
    "FEES_BPS": ("4", 4.0),
    "SLIPPAGE_BPS": ("1", 1.0),
    "PRED_HORIZON_STEPS": ("5", 5),
    "INITIAL_EQUITY": ("500", 500),
    "RISK_PER_TRADE": ("0.005", 0.005),
    "MAX_DAILY_DRAWDOWN": ("0.02", 0.02),
    "LIVE_MAX_DAILY_LOSS": ("0.02", 0.02),
    "MAX_WEEKLY_DRAWDOWN": ("0.05", 0.05),
    "BINANCE_API_BASE_URL": ("https://example.org", "https://example.org"),
    "BYBIT_BASE_URL": ("https://example.org", "https://example.org"),
    "BINANCE_API_KEY": ("k", "k"),
    "BINANCE_API_SECRET": ("s", "s"),
    "BYBIT_API_KEY": ("k", "k"),
    "BYBIT_API_SECRET": ("s", "s"),
    "API_HOST": ("::1", "::1"),
    "API_PORT": ("8001", 8001),
    "PANEL_API_TOKEN": ("t", "t"),
    "ADMIN_API_KEY": ("t", "t"),
    "TELEGRAM_BOT_TOKEN": ("t", "t"),
    "TELEGRAM_CHAT_ID": ("1", "1"),
    "MAX_RETRIES": ("2", 2),
    "RETRY_BACKOFF_BASE": ("3", 3.0),
}


@pytest.mark.parametrize("alias", [a for a in ALIASES if a.name != "LIVE_MODE"], ids=lambda a: a.name)
def test_every_alias_sets_its_key(tmp_path: Path, alias) -> None:
    given, expected = SAMPLES[alias.name]
    around = {"SERENO_VENUE__NAME": "bybit"} if alias.name.startswith("BYBIT") else {}
    if alias.key.startswith("venue."):
        around["SERENO_MODE"] = "paper"
    got = loaded(tmp_path, **{alias.name: given}, **around)
    assert value_of(got.settings, alias.key) == expected
    assert got.sources[alias.key] == f"environment: {alias.name} (old name)"
    assert got.unused == ()


def test_keys_of_another_venue_do_not_leak(tmp_path: Path) -> None:
    assert value_of(loaded(tmp_path, BYBIT_API_KEY="k").settings, "venue.api_key") == ""


def test_own_name_beats_alias(tmp_path: Path) -> None:
    assert loaded(tmp_path, PROB_MIN="0.5", SERENO_SIGNALS__PROB_MIN="0.6").settings.signals.prob_min == 0.6


@pytest.mark.parametrize("env", [{"LIVE_MODE": "true"}, {"PAPER_MODE": "false"}, {"SLSBOT_MODE": "real"}])
def test_trap_a30_8_live_is_refused_without_falling_back(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(FixConfig, match="I_UNDERSTAND_LIVE_TRADING"):
        load(env=env, cwd=tmp_path)
    with pytest.raises(FixConfig, match="no live broker"):
        load(env={**env, "LIVE_CONFIRM_TOKEN": "I_UNDERSTAND_LIVE_TRADING"}, cwd=tmp_path)


def test_live_mode_false_changes_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, LIVE_MODE="false").settings.mode is Mode.SIM


def test_simulated_worlds_never_share_a_root(tmp_path: Path) -> None:
    roots = {
        loaded(tmp_path, **env).settings.paths.root
        for env in (
            {},
            {"SERENO_SIM__SEED": "8"},
            {"SERENO_SIM__EDGE": "0"},
            {"SERENO_VENUE__NAME": "bybit"},
            {"SERENO_CANDLES__BESIDE": "1m,1d"},
            {"SERENO_MODE": "paper"},
        )
    }
    assert len(roots) == 6
    same = loaded(tmp_path, SERENO_CANDLES__TIMEFRAMES="5m,4h", SERENO_CANDLES__BESIDE="1d")
    assert same.settings.paths.root == loaded(tmp_path).settings.paths.root


def test_a_world_of_changed_files_is_another_world(tmp_path: Path) -> None:
    file = tmp_path / "BINANCE_SPOT_BTCUSDT_1h.csv"
    roots = set()
    for text, moment_s in (("one", 1), ("two", 2), ("more", 2)):
        file.write_text(text)
        os.utime(file, (moment_s, moment_s))
        roots.add(loaded(tmp_path, SERENO_SIM__CANDLES_DIR=str(tmp_path)).settings.paths.root)
    assert len(roots) == 3


def test_digest_follows_what_decides_only(tmp_path: Path) -> None:
    plain = loaded(tmp_path).settings.digest
    assert loaded(tmp_path, SERENO_API__PORT="1").settings.digest == plain
    assert loaded(tmp_path, PROB_MIN="0.5").settings.digest != plain


def test_every_setting_says_what_it_is_for() -> None:
    assert [key for key, field in keys_of(Settings) if not field.description] == []


def test_trap_a30_8_unknown_mode_does_not_fall_back_to_the_first(tmp_path: Path) -> None:
    with pytest.raises(FixConfig):
        loaded(tmp_path, SERENO_MODE="demo")


def test_a_state_below_home_is_not_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(env={"SERENO_STATE_DIR": "~/desk"}, cwd=tmp_path).settings.state_dir == tmp_path / "desk"
    unknown = load(env={"SERENO_STATE_DIR": "~nobody-of-this-name/desk"}, cwd=tmp_path)
    assert unknown.settings.state_dir == Path("~nobody-of-this-name/desk")
