"""Which desk commands of people look at: that of the last `sereno up`, unless anything names another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig
from sereno.core.mode import Mode
from sereno.core.settings import COMMAND_LINE, LastUp, Loaded, Settings, load, rows_of
from sereno.core.settings.last_up import NAME


def bring_up(folder: Path, given: dict[str, str], config: Path | None = None, **env: str) -> LastUp:
    """What `sereno up` keeps."""
    brought = load(env=env, cwd=folder, overrides=given, config_file=config)
    last = LastUp.of(rows_of(brought), COMMAND_LINE, config)
    (folder / "state").mkdir(exist_ok=True)
    last.keep(folder / "state")
    return last


def look(folder: Path, given: dict[str, str] | None = None, **env: str) -> Loaded:
    """What another command finds in force."""
    return load(env=env, cwd=folder, overrides=given or {}, follow=True)


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    folder = tmp_path / "some candles"
    folder.mkdir()
    return folder


def test_the_desk_is_found_again(tmp_path: Path, candles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    last = bring_up(tmp_path, {"sim.candles_dir": "some candles", "venue.market": "linear"})
    assert last.words == f"sereno up --set venue.market=linear --candles '{candles}'"
    monkeypatch.chdir("/")
    found = look(tmp_path)
    assert found.last_up == last
    assert found.settings.sim.candles_dir == candles
    assert found.settings.venue.market == "linear"
    assert found.sources["sim.candles_dir"] == "last up"
    assert load(env={}, cwd=tmp_path).settings.sim.candles_dir is None, "only who asks for it follows"


def test_an_up_without_options_is_what_everyone_looks_at_anyway(tmp_path: Path) -> None:
    bring_up(tmp_path, {"mode": "paper"})
    assert look(tmp_path).settings.mode is Mode.PAPER
    bring_up(tmp_path, {})
    assert look(tmp_path).settings.mode is Mode.SIM
    assert not (tmp_path / "state" / NAME).exists()


def test_all_that_the_command_line_said_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `infer` would decide in the desk's ledger by other rules, and `status` begin another lake."""
    monkeypatch.chdir(tmp_path)
    given = {
        "mode": "paper", "signals.prob_min": "0.6", "venue.instruments": "SOL/USDT,ETH/USDT", "lake.url": "candles",
        "risk.losing_streak": "7", "costs.fee_bps": "0.25", "models.test_frac": "0.3", "barriers.horizon_bars": "5",
        "jobs.disabled": "", "metrics.textfile": "true",
    }  # fmt: skip
    bring_up(tmp_path, given)
    monkeypatch.chdir("/")
    found = look(tmp_path).settings
    wanted = load(env={}, cwd=tmp_path, overrides=given | {"lake.url": str(tmp_path / "candles")}).settings
    assert found == wanted
    assert look(tmp_path, {"mode": "paper"}).settings.signals == Settings().signals, "no part of it alone"


def test_what_the_command_line_said_goes_before_file_and_environment_as_it_did_there(tmp_path: Path) -> None:
    (tmp_path / "sereno.toml").write_text("[signals]\nprob_min = 0.7\n")
    bring_up(tmp_path, {"signals.prob_min": "0.6"})
    assert look(tmp_path, SERENO_SIGNALS__PROB_MIN="0.8").settings.signals.prob_min == 0.6
    assert look(tmp_path, {"signals.prob_min": "0.9"}).settings.signals.prob_min == 0.9


def test_neither_the_place_of_the_note_nor_a_secret_is_kept(tmp_path: Path) -> None:
    secret = {"ledger.database_url": "sqlite:////tmp/x"}
    bring_up(tmp_path, {"mode": "paper", "state_dir": str(tmp_path / "state"), **secret})
    path = tmp_path / "state" / NAME
    kept = json.loads(path.read_text())
    assert kept["given"] == {"mode": "paper"}
    path.write_text(json.dumps(kept | {"given": secret}))
    assert look(tmp_path).last_up is None


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "/mnt/lake", ""])
def test_a_lake_that_says_itself_where_it_is_stays_so(tmp_path: Path, url: str) -> None:
    assert bring_up(tmp_path, {"lake.url": url}).given == {"lake.url": url}


def test_the_file_of_an_up_is_that_of_who_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, other = tmp_path / "desk.toml", tmp_path / "other.toml"
    file.write_text("mode = 'paper'\n[signals]\nprob_min = 0.6\n")
    last = bring_up(tmp_path, {}, config=Path("desk.toml"))
    assert last.words == f"sereno up --config {file}"
    found = look(tmp_path)
    assert (found.config_file, found.last_up) == (file, last)
    assert (found.settings.mode, found.settings.signals.prob_min) == (Mode.PAPER, 0.6)
    assert look(tmp_path, {"mode": "sim"}).config_file is None
    other.write_text("mode = 'paper'\n")
    found = load(env={}, cwd=tmp_path, config_file=other, follow=True)
    assert found.settings.signals == Settings().signals, "the command's own file goes before"
    file.write_text("mode = 'paper'\nstate_dir = 'elsewhere'\n")
    assert look(tmp_path).missed == last
    file.unlink()
    with pytest.raises(FixConfig, match=r"no_file.*desk of the last `sereno up --config"):
        look(tmp_path)


@pytest.mark.parametrize("given", [{"mode": "sim"}, {"sim.seed": "3"}, {"venue.name": "bybit"}])
def test_a_command_that_names_a_desk_follows_none(tmp_path: Path, given: dict[str, str]) -> None:
    bring_up(tmp_path, {"mode": "paper"})
    found = look(tmp_path, given)
    assert found.last_up is None
    assert found.settings.mode is Mode.SIM


def test_other_options_of_a_command_do_not_lose_the_desk(tmp_path: Path) -> None:
    bring_up(tmp_path, {"mode": "paper", "candles.timeframes": "4h"})
    found = look(tmp_path, {"candles.timeframes": "1d", "costs.fee_bps": "3"})
    assert found.settings.mode is Mode.PAPER
    assert found.settings.candles.timeframes == ("1d",)


def test_file_and_environment_win(tmp_path: Path, candles: Path) -> None:
    bring_up(tmp_path, {"sim.candles_dir": str(candles)})
    assert look(tmp_path, SERENO_MODE="paper").last_up is None
    assert look(tmp_path, SERENO_SIM__CANDLES_DIR=str(tmp_path)).settings.sim.candles_dir == tmp_path
    assert look(tmp_path, SERENO_SIM__CANDLES_DIR=str(candles)).last_up is not None, "they agree"
    assert look(tmp_path, SERENO_MODE="sim").last_up is not None
    assert look(tmp_path, PROB_MIN="0.6").last_up is not None
    (tmp_path / "sereno.toml").write_text("[venue]\nname = 'bybit'\n")
    found = look(tmp_path)
    assert (found.last_up, found.settings.venue.name, found.settings.sim.candles_dir) == (None, "bybit", None)


def test_no_desk_is_made_up_of_two(tmp_path: Path) -> None:
    """A part of it came from an environment that is not in force any more."""
    last = bring_up(tmp_path, {"mode": "paper"}, SERENO_VENUE__NAME="kraken")
    found = look(tmp_path)
    assert (found.last_up, found.missed) == (None, last)
    assert found.settings.mode is Mode.SIM
    assert look(tmp_path, SERENO_VENUE__NAME="kraken").last_up == last


def test_settings_that_are_whole_only_with_it_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "sereno.toml").write_text("[venue]\nname = 'kraken'\n")
    bring_up(tmp_path, {"mode": "paper"})
    assert look(tmp_path).settings.mode is Mode.PAPER


def test_a_folder_that_is_gone_is_named(tmp_path: Path, candles: Path) -> None:
    bring_up(tmp_path, {"sim.candles_dir": str(candles)})
    candles.rmdir()
    with pytest.raises(
        FixConfig, match=r"some candles is not a folder.*desk of the last `sereno up --candles"
    ):
        look(tmp_path)


def test_a_note_of_another_release_is_left_alone_and_a_damaged_one_named(tmp_path: Path) -> None:
    bring_up(tmp_path, {"mode": "paper"})
    path = tmp_path / "state" / NAME
    kept = json.loads(path.read_text())
    del kept["config"]
    path.write_text(json.dumps(kept))
    assert look(tmp_path).settings.mode is Mode.PAPER, "one that was kept before files were"
    path.write_text('{"given": {"new.key": "1"}, "world": {}}')
    assert look(tmp_path).settings.mode is Mode.SIM
    path.write_text("{")
    with pytest.raises(FixConfig, match=f"remove {path}"):
        look(tmp_path)
