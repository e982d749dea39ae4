"""The plain console: what failed is told once, with its remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.errors import FixConfig, SkipThis, TryLater
from sereno.ops.app import Desk
from sereno.ops.console import PlainConsole
from sereno.ops.jobs import ANOMALY, COLLECTOR, DASHBOARD, JOBS, find_job
from sereno.ops.runner import run_inline
from tests.ops.test_scheduler import Bench
from tests.surfaces.seeded import NOW_MS, seeded_desk


def fail(desk: Desk, name: str, error: Exception | None) -> None:
    """A run of a job that ends so."""
    with pytest.MonkeyPatch.context() as patched:

        def work(*_: object) -> object:
            if error is not None:
                raise error
            from sereno.ops.run import Outcome

            return Outcome()

        patched.setattr("sereno.ops.guard.load_function", lambda _: work)
        desk.clock.advance(1000)  # type: ignore[attr-defined]
        run_inline(desk, replace(find_job(name, JOBS), arguments=()))


def test_new_and_changed_failures_are_told_once_with_their_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sereno.ops.console.PLAIN_S", 0.0)
    with seeded_desk(tmp_path, daemons=False) as desk:
        console = PlainConsole(desk.settings)
        bench = Bench(clock=FixedClock(NOW_MS))
        bench.scheduler.prime({})
        fail(desk, ANOMALY, SkipThis("old.story", remedy="told by the first pass"))
        console.open_table(desk.ledger, desk.clock, bench.scheduler)
        capsys.readouterr()

        def told() -> list[str]:
            console.refresh()
            return [
                line.split(" ", 1)[1]
                for line in capsys.readouterr().out.splitlines()
                if "more in" in line and "at=" not in line
            ]

        assert told() == []
        fail(desk, COLLECTOR, TryLater("venue.unreachable", remedy="is the network up?"))
        fail(desk, DASHBOARD, FixConfig("api.port_in_use", remedy="set api.port"))
        logs = desk.paths.logs
        assert told() == [
            f"collector failed: venue.unreachable: is the network up?; more in {logs}",
            f"dashboard failed: api.port_in_use: set api.port (it is started again every 10 minutes); more in {logs}",
        ]
        fail(desk, COLLECTOR, TryLater("venue.unreachable", remedy="is the network up?"))
        assert told() == [], "the same once more"
        fail(desk, COLLECTOR, TryLater("venue.busy"))
        assert told() == [f"collector failed: venue.busy; more in {logs}"]
        fail(desk, COLLECTOR, None)
        assert told() == []
        fail(desk, COLLECTOR, TryLater("venue.busy"))
        assert len(told()) == 1, "it was well between"


def test_without_an_api_the_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with seeded_desk(tmp_path, daemons=False) as desk:
        console = PlainConsole(desk.settings)
        console.open_table(desk.ledger, desk.clock, Bench(clock=FixedClock(NOW_MS)).scheduler)
        console.refresh()
    assert capsys.readouterr().out.rstrip().endswith("no API")
