"""`sereno config`: what is in force, who set it, what is set in vain, and what would be refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.surfaces.test_cli import call, own_folder

__all__ = ["own_folder"]


def rows(text: str) -> dict[str, tuple[str, str]]:
    """{key: (value, from)} of what `config show` printed on a pipe."""
    cells = [line.split("\t") for line in text.splitlines()]
    return {key: (value, source) for key, value, source in cells}


def test_show_names_the_variable_and_the_file_of_every_value(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "sereno.toml").write_text("[sim]\nedge = 0.1\n")
    (own_folder / ".env").write_text("sereno_sim__seed=4\n")
    monkeypatch.setenv("PROB_MIN", "0.5")
    assert call("config", "show", "--set", "risk.losing_streak=5") == 0
    told = rows(capsys.readouterr().out)
    assert told["sim.edge"] == ("0.1", str(own_folder / "sereno.toml"))
    assert told["sim.seed"] == ("4", f"{own_folder / '.env'}: sereno_sim__seed")
    assert told["mode"] == ("paper", "environment: SERENO_MODE")
    assert told["signals.prob_min"] == ("0.5", "environment: PROB_MIN (old name)")
    assert told["risk.losing_streak"] == ("5", "command line")
    assert told["costs.fee_bps"] == ("10.0", "taker fee of binance spot")
    assert told["signals.risk_max"] == ("0.75", "default")


def test_the_file_is_named_in_full_also_when_it_was_given_relatively(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "other.toml").write_text("[sim]\nedge = 0.1\n")
    assert call("config", "show", "--config", "other.toml") == 0
    assert rows(capsys.readouterr().out)["sim.edge"] == ("0.1", str(own_folder / "other.toml"))


def test_what_is_set_in_vain_is_shown_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BINANCE_API_BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("SPREAD_BPS", "3")
    assert call("config", "show", "--set", "mode=sim") == 0
    shown = capsys.readouterr().out
    assert "(no effect)\tenvironment: BINANCE_API_BASE_URL\tin mode sim the built-in simulator" in shown
    assert call("config", "check", "--set", "mode=sim") == 0
    told = capsys.readouterr().out
    assert "- environment: BINANCE_API_BASE_URL has no effect: in mode sim" in told
    assert "- environment: SPREAD_BPS has no effect: add half of it to `costs.slippage_bps`" in told


def test_up_tells_it_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sereno.ops.up.bring_up", lambda *_, **__: 0)
    monkeypatch.setenv("SPREAD_BPS", "3")
    assert call("up", "--once") == 0
    assert "sereno: environment: SPREAD_BPS has no effect" in capsys.readouterr().err


def test_a_depth_that_training_moves_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("config", "check", "--set", "candles.depth_days=5", "--set", "candles.timeframes=1h,1d")
    assert call(*words) == 0
    told = capsys.readouterr().out
    assert "- 1h is collected 213 days back, which training takes: candles.depth_days = 5 is less" in told
    assert "- 1d is collected 1095 days back, which training takes: candles.depth_days = 5 is less" in told
    assert (
        "- 1d will be served by baselines, which do not trade: the gate judges nothing learned from less than "
        "3538 days, and 1095 are collected" in told
    )
    assert "1h will be served by baselines" not in told
    assert call("config", "check") == 0
    assert "collected" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [("nosuch", "venue.name = nosuch is no exchange that ccxt knows"), ("krakn", "did you mean kraken?")],
)
def test_an_exchange_that_nobody_knows_is_refused(
    name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("config", "check", "--set", f"venue.name={name}") == 2
    assert told in capsys.readouterr().err


def test_any_exchange_that_ccxt_knows_is_accepted() -> None:
    assert call("config", "check", "--set", "venue.name=okx") == 0
