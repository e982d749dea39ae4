"""The command line: quick, clear about mistakes, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig, SkipThis, StopTrading, TryLater
from sereno.surfaces.cli import context
from sereno.surfaces.cli.desk import span_ms
from sereno.surfaces.cli.main import main
from tests.surfaces.seeded import seeded_desk

HEAVY = (
    "numpy", "polars", "pyarrow", "sqlalchemy", "alembic", "fastapi", "uvicorn", "xgboost", "sklearn", "scipy",
    "ccxt", "talib", "numba", "matplotlib", "optuna", "pydantic", "aiohttp", "apscheduler", "structlog",
)  # fmt: skip
COMMANDS = (
    "up", "run", "sim", "train", "infer", "explain", "replay", "backtest", "import-candles", "signals",
    "positions", "status", "config", "models", "jobs", "docs", "db", "risk", "api-token",
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test stands in a folder of its own, without settings from outside or from an earlier test."""
    context.remember(None, [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERENO_MODE", "paper")
    return tmp_path


def call(*words: str) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom sereno.surfaces.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip().endswith("HEAVY []")
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("words", [["up", "--help"], ["models", "--help"], ["backtest", "--help"]])
def test_every_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*words) == 0
    assert "Usage" in capsys.readouterr().out


def test_an_unknown_setting_is_one_line_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "check", "--set", "signals.prob_mni=0.5") == 2
    told = capsys.readouterr().err
    assert "signals.prob_mni" in told
    assert "did you mean signals.prob_min" in told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1


def test_impossible_relations_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "check", "--set", "models.embargo_bars=1") == 2
    assert "models.embargo_bars = 1 is below barriers.horizon_bars" in capsys.readouterr().err


def test_config_show_tells_where_values_come_from_and_masks_secrets(
    own_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_folder / "sereno.toml").write_text("[signals]\nprob_min = 0.5\n")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "do-not-show-me")
    assert call("config", "show", "--set", "risk.losing_streak=5") == 0
    told = capsys.readouterr().out
    assert f"signals.prob_min\t0.5\t{own_folder / 'sereno.toml'}" in told
    assert "risk.losing_streak\t5\tcommand line" in told
    assert "environment: TELEGRAM_BOT_TOKEN (old name)" in told
    assert "do-not-show-me" not in told


def test_options_may_stand_anywhere() -> None:
    words = ["run", "collector", "--set", "a=1", "--config=x.toml", "--set=b=2", "--", "--set", "c"]
    assert context.hoist(words) == [
        "--set", "a=1", "--config=x.toml", "--set=b=2", "run", "collector", "--", "--set", "c",
    ]  # fmt: skip


def test_children_are_given_the_same_settings() -> None:
    context.remember(Path("s.toml"), ["mode=paper"])
    context.override({"venue.name": "bybit", "sim.candles_dir": "", "costs.fee_bps": None})
    assert context.options() == ("--config", "s.toml", "--set", "mode=paper", "--set", "venue.name=bybit")


@pytest.mark.parametrize(
    ("error", "code"),
    [(FixConfig("x", remedy="do y"), 2), (StopTrading("x"), 3), (SkipThis("x"), 4), (TryLater("x"), 75)],
)
def test_errors_are_exit_codes(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        context.say_error(error)  # type: ignore[arg-type]
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith("sereno: x")


def crash(text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError as error:
        with pytest.raises(SystemExit):
            context.say_crash(error)


def test_an_unexpected_error_shows_no_traceback(
    own_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context.remember(None, [])
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "do-not-show-me")
    crash("surprise do-not-show-me")
    crash("again")
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "do-not-show-me" not in told
    logs = sorted((own_folder / "state" / "logs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(logs) == 2
    assert all(str(Path(*log.parts[-3:])) in told and log.stat().st_mode & 0o777 == 0o600 for log in logs)
    story = logs[0].read_text()
    assert "Traceback" in story
    assert "surprise ********" in story


def test_a_crash_without_settings_is_told_without_a_file(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "sereno.toml").write_text("[api]\ntoken = 'do-not-show-me'\nbroken = 1\n")
    context.remember(None, [])
    crash("surprise do-not-show-me")
    told = capsys.readouterr().err
    assert "unexpected KeyError at test_cli.py:" in told
    assert "do-not-show-me" not in told
    assert not (own_folder / "state").exists()


@pytest.mark.parametrize("key", ["api.token", "ledger.database_url", "live_confirm_token"])
def test_trap_a30_28_secrets_are_not_taken_from_the_command_line(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("config", "check", "--set", f"{key}=do-not-show-me") == 2
    told = capsys.readouterr().err
    assert f"SERENO_{key.replace('.', '__').upper()}" in told
    assert "sereno.toml" in told
    assert "do-not-show-me" not in told


def test_a_token_in_plain_is_not_read_from_a_file(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "sereno.toml").write_text("[api]\ntoken = 'do-not-show-me'\n")
    assert call("config", "check") == 2
    told = capsys.readouterr().err
    assert "api.token_sha256" in told
    assert "SERENO_API__TOKEN" in told
    assert "do-not-show-me" not in told


def test_a_fresh_token_and_its_hash_open_the_door(
    own_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call("api-token")
    lines = capsys.readouterr().out.splitlines()
    token = next(line for line in lines if line.startswith("Authorization: ")).rpartition(" ")[2]
    (own_folder / "sereno.toml").write_text("\n".join(line for line in lines if "Authorization" not in line))
    monkeypatch.setenv("SERENO_API__HOST", "0.0.0.0")
    assert call("config", "check") == 0
    monkeypatch.setenv("SERENO_API__TOKEN", token)
    assert call("config", "check") == 0
    monkeypatch.setenv("SERENO_API__TOKEN", token[::-1])
    assert call("config", "check") == 2
    call("api-token")
    assert token not in capsys.readouterr().out


def test_unknown_jobs_signals_and_instruments(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "nothing") == 2
    assert call("explain", "sig_none") == 4
    assert call("infer", "--instrument", "DOGE/USDT") == 2
    assert call("train", "--role", "oracle") == 2
    assert call("backtest", "--since", "someday") == 2
    told = capsys.readouterr().err
    for word in ("job.unknown", "signal.unknown", "instrument.unknown", "train.role", "cli.no_day"):
        assert word in told


def test_trap_a30_8_live_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("up", "--mode", "live") == 2
    assert "live_confirm_token" in capsys.readouterr().err
    monkeypatch.setenv("SERENO_LIVE_CONFIRM_TOKEN", "I_UNDERSTAND_LIVE_TRADING")
    assert call("up", "--mode", "live") == 2
    assert "no live broker" in capsys.readouterr().err


def test_days_can_be_hurried_only_in_a_simulated_world(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("up", "--for", "1d", "--speed", "max") == 2
    assert call("up", "--for", "1d") == 2
    assert call("up", "--for", "soon", "--speed", "max") == 2
    assert "mode sim" in capsys.readouterr().err


def test_a_span_is_told_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    call("up", "--for", "6h", "--speed", "9")
    assert "`max` is the only speed" in capsys.readouterr().err
    call("up", "--for", "6h")
    assert "write both" in capsys.readouterr().err


def test_an_item_of_a_list_is_refused_once_and_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "check", "--set", "candles.timeframes=7m") == 2
    told = capsys.readouterr().err
    assert "candles.timeframes = '7m' (command line): " in told
    assert "default" not in told
    assert "at least 1 item" not in told
    assert call("config", "check", "--set", "candles.timeframes=") == 2
    assert "at least 1 item" in capsys.readouterr().err


def test_a_backtest_after_the_newest_candle_says_where_it_is(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with seeded_desk(own_folder / "state"):
        pass
    assert call("backtest", "--since", "2030-01-01") == 4
    told = capsys.readouterr().err
    assert "backtest.nothing_since: the newest candle of binance:spot:BTC/USDT@1h opens at 2024-06-01" in told
    assert "collect candles" not in told


@pytest.mark.parametrize(("text", "hours"), [("14d", 336), ("6h", 6), ("2w", 336), ("60m", 1)])
def test_spans(text: str, hours: int) -> None:
    assert span_ms(text) == hours * 3_600_000


def test_no_simulator_is_said_clearly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERENO_MODE", "sim")
    assert call("run", "collector") == 2
    assert "sereno up" in capsys.readouterr().err


def test_tables_of_an_empty_desk(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("jobs", "list") == 0
    assert "collector\tevery 15 minutes\t-\t-\t" in capsys.readouterr().out
    assert call("signals") == 0
    assert call("positions") == 0
    assert "no account has been opened yet" in capsys.readouterr().out
    assert call("models", "list") == 0
    assert call("status") == 1
    assert "signals does not run" in capsys.readouterr().out


def test_status_names_the_worlds_that_lie_beside(
    own_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer release may draw another market: what the old one left takes room and is easily forgotten."""
    monkeypatch.setenv("SERENO_MODE", "sim")
    call("status")
    assert "worlds lie beside" not in capsys.readouterr().out
    (own_folder / "state" / "sim" / "generated-0123456789").mkdir(parents=True)
    call("status")
    assert "1 other worlds lie beside" in (told := capsys.readouterr().out)
    assert "generated-0123456789" in told


def test_the_schema_goes_down_and_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("db", "upgrade") == 0
    assert call("db", "downgrade", "base", "--yes") == 0
    assert call("db", "upgrade") == 0
    assert call("db", "upgrade", "no-such-revision") == 2
    assert "ledger.no_such_revision" in capsys.readouterr().err


def test_candles_come_in_from_files_and_bad_rows_are_told(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["timestamp,open,high,low,close,volume"]
    rows += [f"{1_700_006_400_000 + i * 3_600_000},100,101,99,100.5,3" for i in range(10)]
    rows.append("1700049600000,100,99,101,100,3")
    (own_folder / "BINANCE_SPOT_BTCUSDT_1h.csv").write_text("\n".join(rows) + "\n")
    assert call("import-candles", "BINANCE_SPOT_BTCUSDT_1h.csv") == 1
    told = capsys.readouterr().out
    assert "10 added" in told
    assert "1 bad rows" in told
    assert "row 12:" in told
    assert call("import-candles", "missing.csv") == 2


def test_a_simulated_world_takes_no_files(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    monkeypatch.setenv("SERENO_MODE", "sim")
    (own_folder / "x.csv").write_text("")
    assert call("import-candles", "x.csv") == 2


def test_a_revision_may_begin_with_a_minus(capsys: pytest.CaptureFixture[str]) -> None:
    """As docs/howto/postgresql.md writes it."""
    assert call("db", "upgrade") == 0
    assert call("db", "downgrade", "-1", "--yes") == 0, capsys.readouterr().err
    assert call("db", "upgrade") == 0
