"""Commands of people look at the desk that `sereno up` brought up, and say so; units and new desks do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from sereno.core.mode import Mode
from sereno.core.settings import LastUp, Settings
from sereno.ops import log_file
from sereno.surfaces.cli import context
from sereno.surfaces.cli.main import ALONE, app
from tests.surfaces.test_cli import call, own_folder

__all__ = ["own_folder"]
LOOKING = "looking at the desk of `sereno up --mode paper --venue bybit` (mode paper)"


@pytest.fixture
def brought_up(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `sereno up --mode paper --venue bybit` ran; nothing else says so."""
    monkeypatch.delenv("SERENO_MODE")

    def bring_up(settings: Settings, _options: object, last_up: LastUp, **_: object) -> int:
        settings.state_dir.mkdir(exist_ok=True)
        last_up.keep(settings.state_dir)
        return 0

    monkeypatch.setattr("sereno.ops.up.bring_up", bring_up)
    assert call("up", "--mode", "paper", "--venue", "bybit") == 0
    return own_folder


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("signals",),
        ("positions",),
        ("jobs", "list"),
        ("models", "list"),
        ("risk", "show"),
        ("risk", "block", "holiday"),
        ("config", "check"),
        ("explain", "sig_none"),
        ("backtest",),
        ("infer",),
    ],
)
def test_commands_of_people_look_at_it_and_say_so_once(
    words: tuple[str, ...], brought_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(*words)
    told = capsys.readouterr().err
    assert told.count(LOOKING) == 1, told
    assert not (brought_up / "state" / "sim").exists()
    call(*words, "--set", "mode=sim")
    assert "looking at" not in capsys.readouterr().err


@pytest.mark.parametrize(("words", "code"), [(("run", "collector"), 2), (("db", "upgrade"), 0)])
def test_what_a_unit_runs_means_its_own_settings(
    words: tuple[str, ...], code: int, brought_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*words) == code
    assert "looking at" not in capsys.readouterr().err
    assert (brought_up / "state" / "sim").exists(), "the default world"


def test_an_up_of_its_own_begins_the_default_world(
    brought_up: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Mode] = []
    monkeypatch.setattr("sereno.ops.up.bring_up", lambda settings, *_, **__: seen.append(settings.mode) or 0)
    assert call("up") == 0
    assert seen == [Mode.SIM]
    assert "looking at" not in capsys.readouterr().err


def test_config_show_names_the_source(brought_up: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "show") == 0
    told = capsys.readouterr()
    assert "venue.name\tbybit\tlast up" in told.out
    assert LOOKING in told.err


def test_children_are_given_what_was_followed_and_follow_nothing_themselves(
    brought_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.remember(None, ["risk.losing_streak=4"], follow=True)
    assert context.loaded().settings.mode is Mode.PAPER
    words = context.options()
    assert words == (
        "--set", "mode=paper", "--set", "venue.name=bybit", "--set", "risk.losing_streak=4",
    )  # fmt: skip
    monkeypatch.setattr(log_file, "output_is_log", lambda: True)
    context.remember(None, [], follow=True)
    assert context.loaded().settings.mode is Mode.SIM


def test_the_desk_of_a_file_is_looked_at_by_its_whole_path_and_so_by_children(
    brought_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = brought_up / "desk.toml"
    file.write_text("mode = 'paper'\n[risk]\nlosing_streak = 7\n")
    assert call("up", "--config", "desk.toml", "--set", "signals.prob_min=0.6") == 0
    assert call("config", "show") == 0
    told = capsys.readouterr()
    assert f"risk.losing_streak\t7\t{file}" in told.out
    assert "signals.prob_min\t0.6\tlast up" in told.out
    assert f"the desk of `sereno up --config {file} --set signals.prob_min=0.6` (mode paper)" in told.err
    context.remember(None, [], follow=True)
    context.loaded()
    assert context.options() == ("--config", str(file), "--set", "signals.prob_min=0.6")


def test_every_command_that_stands_alone_is_one() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(ALONE) <= set(commands)
