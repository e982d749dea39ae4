"""Commands that bring the desk up or run a part of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from sereno.core.errors import FixConfig
from sereno.core.mode import Mode
from sereno.core.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs, from_iso
from sereno.ops.jobs import COLLECTOR, JOBS, TRAIN, Job, find_job, jobs_of, one_pass
from sereno.surfaces.cli import context

SPANS_MS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}


def up(*, once: bool, span: str, speed: str, table: bool) -> int:
    """Bring the desk up; answers the exit code."""
    from sereno.surfaces.cli.config import notes

    loaded = context.loaded()
    settings = context.to_work()
    for line in notes(loaded):
        sys.stderr.write(f"sereno: {line}\n")
    last_up = context.last_up(loaded)
    if span or speed:
        if not span or speed != "max":
            why = (
                "write both"
                if not (span and speed)
                else "days are run as fast as they go: `max` is the only speed"
            )
            raise FixConfig(
                "up.span", remedy=f"{why}, for example --for 14d --speed max", span=span, speed=speed
            )
        from sereno.ops.soak import soak

        code = soak(settings, span_ms(span))
        last_up.keep(settings.state_dir)
        return code
    from sereno.ops.up import bring_up

    table = table and sys.stdout.isatty()
    return bring_up(settings, context.options(), last_up, once=once, table=table)


def span_ms(text: str) -> int:
    """`14d` in milliseconds. Raises FixConfig on anything else."""
    number, unit = text[:-1], text[-1:]
    if unit not in SPANS_MS or not number.isdigit() or int(number) == 0:
        raise FixConfig("up.span", remedy="write a number and m, h, d or w, for example 14d", given=text)
    return int(number) * SPANS_MS[unit]


def run(name: str) -> int:
    """Run one job of the table; answers the exit code."""
    settings = context.to_work()
    job = find_job(name, jobs_of(settings.recommendation_update_time))
    from sereno.ops.runner import run_and_log

    return run_and_log(settings, job, context.options())


def sim(*, standing: bool) -> None:
    """Serve the simulator until interrupted."""
    settings = context.to_work()
    from sereno.ops.logs import Redactor, configure_logs
    from sereno.ops.simulate import serve_simulator

    configure_logs(settings.log, Redactor.of(settings))
    serve_simulator(settings, standing=standing)


def train(role: str, symbols: tuple[str, ...]) -> int:
    """Train under the same lease, record and time-out as the job."""
    if role not in ("", "trend", "return", "risk"):
        raise FixConfig("train.role", remedy="choose trend, return or risk", given=role)
    job = find_job(TRAIN, JOBS)
    return _run_watched(replace(job, arguments=(role, *_known(symbols))))


def infer(symbols: tuple[str, ...]) -> int:
    """Decide now; prints one line a series. Raises SkipThis when no series can have a fresh decision."""
    from sereno.ops.app import clock_of
    from sereno.ops.log_file import output_is_log
    from sereno.surfaces.cli.signals import print_newest

    known, began_ms = _known(symbols), clock_of(context.loaded().settings).now_ms()
    code = _run_watched(one_pass(known))
    old = print_newest(known, began_ms, quiet=output_is_log())
    if code == 0 and old is not None:
        raise old
    return code


def backtest(folds: int | None, symbols: tuple[str, ...], since: str) -> int:
    """Walk forward, trade the forecasts, print and save the report."""
    since_ms = _day(since)
    settings = context.to_work()
    from sereno.ops.app import Desk
    from sereno.ops.bars import bars
    from sereno.ops.logs import Redactor, configure_logs
    from sereno.ops.steps.backtest import backtest_desk

    configure_logs(settings.log, Redactor.of(settings))
    with Desk(settings) as desk, bars() as tell:
        lines = backtest_desk(desk, tell, folds=folds, symbols=_known(symbols), since=since_ms)
    for line in lines:
        print(line)
    return 0


def import_candles(
    path: Path, *, symbol: str, timeframe: str, venue: str, form: str, patience_s: float
) -> int:
    """Put files into the lake; exit code 1 if any file was refused or any row was bad."""
    if context.loaded().settings.mode is Mode.SIM:
        raise FixConfig(
            "import.simulated", remedy="a simulated world makes its own candles: add --set mode=paper"
        )
    settings = context.to_work()
    from sereno.market.imports import told_by
    from sereno.ops.app import Desk
    from sereno.ops.bars import bars
    from sereno.ops.steps.imports import import_files, summary
    from sereno.ops.turn import turn_of

    told = told_by(symbol, timeframe, venue)
    done = []
    # bars would take what goes to a pipe through themselves
    pipe = None if sys.stdout.isatty() else sys.stdout
    with (
        Desk(settings) as desk,
        turn_of(desk, COLLECTOR, patience_s=patience_s, waiting=_say_waiting) as ours,
        bars() as tell,
    ):
        for file in import_files(desk, path, told, form, tell=tell, still_ours=ours):
            print(*file.lines, sep="\n", file=pipe, flush=True)
            done.append(file)
    if path.is_dir():
        print(summary(done))
    return 0 if all(one.end.is_well for one in done) else 1


def _say_waiting() -> None:
    sys.stderr.write("sereno: the collector writes just now: waiting for it\n")


def _run_watched(job: Job) -> int:
    """Run a job of the table here, with bars for its progress."""
    settings = context.to_work()
    from sereno.ops.logs import Redactor, configure_logs
    from sereno.surfaces.cli.bars import run_watched

    configure_logs(settings.log, Redactor.of(settings))
    finished = run_watched(settings, job, context.options())
    if finished.error:
        context.complain(f"{job.name}: {finished.error}", "job.failed", job=job.name, error=finished.error)
    return finished.exit_code


def _known(symbols: tuple[str, ...]) -> tuple[str, ...]:
    """Symbols as the settings spell them. Raises FixConfig for one that is not configured."""
    listed = context.loaded().settings.venue.instruments
    cleaned = tuple(symbol.upper().partition(":")[0] for symbol in symbols)
    for symbol in cleaned:
        if symbol not in listed:
            raise FixConfig(
                "instrument.unknown",
                remedy=f"choose from {', '.join(listed)}, or set venue.instruments",
                given=symbol,
            )
    return cleaned


def _day(text: str) -> UtcMs | None:
    if not text:
        return None
    try:
        return from_iso(text)
    except ValueError as cause:
        raise FixConfig("cli.no_day", remedy="write a day such as 2024-01-31", given=text) from cause
