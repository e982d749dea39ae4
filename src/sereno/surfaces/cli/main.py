"""`sereno`: commands are thin, and import what they need only when they are called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sereno.core.errors import SerenoError
from sereno.surfaces.cli import context
from sereno.surfaces.cli.docs import docs_app
from sereno.surfaces.cli.risk import risk_app

app = typer.Typer(
    name="sereno",
    help="Sereno keeps a machine-learning trading desk running. --set KEY=VALUE and --config FILE may stand anywhere.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Settings: what is in force, and where it came from.", no_args_is_help=True)
models_app = typer.Typer(
    help="Models: list, show, serve another version, roll back, release.", no_args_is_help=True
)
jobs_app = typer.Typer(help="The table of jobs.", no_args_is_help=True)
db_app = typer.Typer(help="Schema of the ledger.", no_args_is_help=True)
for name, group in (
    ("config", config_app),
    ("models", models_app),
    ("jobs", jobs_app),
    ("docs", docs_app),
    ("db", db_app),
    ("risk", risk_app),
):
    app.add_typer(group, name=name)

Instruments = Annotated[
    list[str] | None, typer.Option("--instrument", help="only this pair, for example BTC/USDT; repeatable")
]


ALONE = ("up", "run", "sim", "import-candles", "db", "docs", "api-token")
"""Commands that mean the desk of their own settings: units run them, they make a desk, or they need none."""


@app.callback()
def root(
    called: typer.Context,
    config: Annotated[Path | None, typer.Option(help="settings file instead of ./sereno.toml")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE, stronger than every other source")
    ] = None,
) -> None:
    """Remember the options that every command shares."""
    context.remember(config, set_ or [], follow=called.invoked_subcommand not in ALONE)


@app.command()
def up(
    once: Annotated[bool, typer.Option(help="one full pass, then exit with its status")] = False,
    for_: Annotated[str, typer.Option("--for", help="simulated span to run, for example 14d; mode sim")] = "",
    speed: Annotated[str, typer.Option(help="`max` together with --for")] = "",
    table: Annotated[bool, typer.Option("--table/--no-table", help="live table, when on a terminal")] = True,
    mode: Annotated[str, typer.Option(help="sim or paper")] = "",
    venue: Annotated[str, typer.Option(help="exchange, for example binance or bybit")] = "",
    candles: Annotated[str, typer.Option(help="folder with candles that the simulator serves")] = "",
) -> None:
    """Bring the desk up: simulator, history, features, models, signals, positions, then the schedule."""
    context.override({"mode": mode, "venue.name": venue, "sim.candles_dir": candles})
    from sereno.surfaces.cli import desk

    raise typer.Exit(desk.up(once=once, span=for_, speed=speed, table=table))


@app.command()
def run(name: Annotated[str, typer.Argument(help="a job of `sereno jobs list`")]) -> None:
    """Run one job now, with lease, time-out, record and logs."""
    from sereno.surfaces.cli import desk

    raise typer.Exit(desk.run(name))


@app.command()
def sim(
    standing: Annotated[
        bool, typer.Option(help="start with time at rest; POST /sim/speed lets it go")
    ] = False,
) -> None:
    """Serve the built-in exchange simulator."""
    from sereno.surfaces.cli import desk

    desk.sim(standing=standing)


@app.command()
def train(
    role: Annotated[str, typer.Option(help="trend, return or risk; all of them when left out")] = "",
    instrument: Instruments = None,
) -> None:
    """Train, calibrate and judge models; write train-report.html."""
    from sereno.surfaces.cli import desk

    raise typer.Exit(desk.train(role, tuple(instrument or ())))


@app.command()
def infer(instrument: Instruments = None) -> None:
    """Decide on the newest closed candle of every series and write signal.json."""
    from sereno.surfaces.cli import desk

    raise typer.Exit(desk.infer(tuple(instrument or ())))


@app.command()
def explain(signal_id: Annotated[str, typer.Argument(help="id of a signal")]) -> None:
    """Tell the story of one signal in words."""
    from sereno.surfaces.cli import signals

    signals.explain(signal_id)


@app.command()
def replay(signal_id: Annotated[str, typer.Argument(help="id of a signal")]) -> None:
    """Compute a signal again from what was stored; the bits must be equal."""
    from sereno.surfaces.cli import signals

    raise typer.Exit(signals.replay(signal_id))


@app.command()
def backtest(
    folds: Annotated[
        int | None, typer.Option(min=1, max=50, help="walk-forward folds; walkforward.folds if not given")
    ] = None,
    instrument: Instruments = None,
    since: Annotated[str, typer.Option(help="first day, for example 2024-01-01")] = "",
    fee_bps: Annotated[float | None, typer.Option(help="fee of one fill in basis points")] = None,
    slippage_bps: Annotated[float | None, typer.Option(help="slippage of one fill in basis points")] = None,
) -> None:
    """Trade the past out of sample: models re-trained per fold, the desk's own rules and costs."""
    context.override({"costs.fee_bps": fee_bps, "costs.slippage_bps": slippage_bps})
    from sereno.surfaces.cli import desk

    raise typer.Exit(desk.backtest(folds, tuple(instrument or ()), since))


@app.command("import-candles")
def import_candles(
    path: Annotated[Path, typer.Argument(help="file, or folder of files, those of its folders included")],
    instrument: Annotated[str, typer.Option(help="pair; else taken from the file's name")] = "",
    timeframe: Annotated[str, typer.Option(help="1m … 1w; else taken from the file's name")] = "",
    venue: Annotated[str, typer.Option(help="exchange; else taken from the name or the folder")] = "",
    form: Annotated[
        str, typer.Option("--format", help="binance-vision, freqtrade, csv, parquet or auto")
    ] = "auto",
    wait_s: Annotated[
        float,
        typer.Option("--wait", min=0, max=7200, help="seconds to wait for a collector that runs just now"),
    ] = 60,
) -> None:
    """Put candles from files into the lake; bad rows and files are listed, good ones are kept."""
    from sereno.surfaces.cli import desk

    raise typer.Exit(
        desk.import_candles(
            path, symbol=instrument, timeframe=timeframe, venue=venue, form=form, patience_s=wait_s
        )
    )


@app.command("signals")
def list_signals(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="rows")] = 20,
    taken: Annotated[bool, typer.Option(help="only LONG and SHORT")] = False,
) -> None:
    """The newest signals, refused ones with their reason."""
    from sereno.surfaces.cli import signals

    signals.table(limit, taken)


@app.command()
def positions(limit: Annotated[int, typer.Option(min=1, max=1000, help="closed rows")] = 20) -> None:
    """Open positions, the newest closed ones, and equity."""
    from sereno.surfaces.cli import tables

    tables.positions(limit)


@app.command()
def status() -> None:
    """One look at the desk; exit code 1 if something is not well."""
    from sereno.surfaces.cli import tables

    raise typer.Exit(tables.status())


@app.command("api-token")
def api_token() -> None:
    """Make a fresh token for the API, and the hash of it that the settings keep."""
    from sereno.surfaces.cli import token

    token.show_fresh()


@config_app.command("show")
def config_show() -> None:
    """Every setting in force and what set it; secrets are masked. Then the names that are set in vain."""
    from sereno.surfaces.cli import config

    config.show()


@config_app.command("check")
def config_check() -> None:
    """Say whether the settings would be accepted, and what in them has no effect."""
    from sereno.surfaces.cli import config

    config.check()


@models_app.command("list")
def models_list() -> None:
    """Every stored version by series and role, the newest first; the served one is marked."""
    from sereno.surfaces.cli import models

    models.table()


@models_app.command("show")
def models_show(version: Annotated[str, typer.Argument(help="version of `models list`")]) -> None:
    """The manifest of one version."""
    from sereno.surfaces.cli import models

    models.show(version)


@models_app.command("use")
def models_use(
    version: Annotated[str, typer.Argument(help="version of `models list`")],
    force: Annotated[bool, typer.Option(help="although it was refused")] = False,
    why: Annotated[str, typer.Option(help="kept with the choice")] = "",
) -> None:
    """Serve this version from now on, whatever later trainings find, until it is released."""
    from sereno.surfaces.cli import models

    models.use(version, force=force, why=why)


@models_app.command("rollback")
def models_rollback(
    instrument: Annotated[str, typer.Argument(help="pair, for example BTC/USDT; all when left out")] = "",
    timeframe: Annotated[str, typer.Option(help="traded timeframe; all when left out")] = "",
    role: Annotated[str, typer.Option(help="only trend, return or risk")] = "",
    why: Annotated[str, typer.Option(help="kept with the choice")] = "",
) -> None:
    """Serve the set of models that was served before, until it is released."""
    from sereno.surfaces.cli import models

    models.rollback(instrument, timeframe, role=role, why=why)


@models_app.command("release")
def models_release(
    instrument: Annotated[str, typer.Argument(help="pair, for example BTC/USDT; all when left out")] = "",
    timeframe: Annotated[str, typer.Option(help="traded timeframe; all when left out")] = "",
    role: Annotated[str, typer.Option(help="only trend, return or risk")] = "",
) -> None:
    """Let training choose again what a person chose with use or rollback."""
    from sereno.surfaces.cli import models

    models.release(instrument, timeframe, role=role)


@jobs_app.command("list")
def jobs_list() -> None:
    """The table of jobs with last and next run."""
    from sereno.surfaces.cli import tables

    tables.jobs()


@db_app.command("upgrade")
def db_upgrade(revision: Annotated[str, typer.Argument(help="schema revision")] = "head") -> None:
    """Bring the ledger's schema up."""
    from sereno.surfaces.cli import schema

    schema.upgrade(revision)


@db_app.command("downgrade", context_settings={"ignore_unknown_options": True})  # -1 is a revision
def db_downgrade(
    revision: Annotated[str, typer.Argument(help="schema revision, for example -1")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask: the rows may be lost")] = False,
) -> None:
    """Take the ledger's schema down, after a copy; rows are lost."""
    from sereno.surfaces.cli import schema

    schema.downgrade(revision, yes=yes)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: an error of ours is one line and an exit code, never a traceback."""
    words = context.hoist(list(sys.argv[1:] if argv is None else argv))
    try:
        app(args=words, prog_name="sereno")
    except SerenoError as error:
        context.say_error(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last door: people get a line, the log the rest
        context.say_crash(error)
