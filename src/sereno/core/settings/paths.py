"""Where the desk's state lies, all below one root."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sereno.core.ids import digest_of
from sereno.core.instrument import Market
from sereno.core.settings.sections import SimSettings
from sereno.core.timeframe import Timeframe

GENERATOR = 2  # raised whenever the generator draws other candles from equal settings


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders and files below `root`. Making them is the writer's work."""

    root: Path

    @property
    def lake(self) -> Path:
        """Candles and facts."""
        return self.root / "lake"

    @property
    def lake_note(self) -> Path:
        """Where the lake lay when it was last open."""
        return self.run / "lake.txt"

    @property
    def ledger_file(self) -> Path:
        """SQLite ledger, when no other database is set."""
        return self.root / "ledger.sqlite3"

    @property
    def registry(self) -> Path:
        """Model artefacts."""
        return self.root / "registry"

    @property
    def signals(self) -> Path:
        """`signal.json` (index), one `signal_<slug>_<timeframe>.json` each."""
        return self.root / "signals"

    @property
    def settings(self) -> Path:
        """The settings that decided, one file a version; replay reads them."""
        return self.root / "settings"

    @property
    def exports(self) -> Path:
        """`risk_state_*.json` and `performance_history_*.json`."""
        return self.root / "exports"

    @property
    def reports(self) -> Path:
        """Pages for people."""
        return self.root / "reports"

    @property
    def metrics(self) -> Path:
        """Textfile-collector files, one a job."""
        return self.root / "metrics"

    @property
    def run(self) -> Path:
        """Clock file, addresses of running processes, until when a venue wants quiet."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Logs of child processes."""
        return self.root / "logs"

    @property
    def parts(self) -> tuple[Path, ...]:
        """All that a desk writes directly below its root."""
        folders = (self.lake, self.registry, self.signals, self.settings, self.exports, self.reports)
        return (*folders, self.metrics, self.run, self.logs, self.ledger_file)

    @property
    def clock_file(self) -> Path:
        """Time of the simulated world."""
        return self.run / "sim_clock.json"


def expanded(folder: Path) -> Path:
    """`~/x` below the home of this user; as it is where nobody knows the home."""
    return Path(os.path.expanduser(folder))  # noqa: PTH111 - that of Path raises where nobody knows it


def world_of(sim: SimSettings, venue: str, market: Market, collected: Collection[Timeframe]) -> str:
    """Name of a simulated world: equal settings and equal files give the same one, others never mix.

    The generator draws another market when something finer than 5m is collected.
    """
    if sim.candles_dir is None:
        fine = any(timeframe.ms < Timeframe.M5.ms for timeframe in collected)
        return f"generated-{digest_of([GENERATOR, sim.seed, sim.edge, venue, market, fine])[:10]}"
    files = sorted(p for p in sim.candles_dir.iterdir() if p.suffix in {".parquet", ".csv"})
    facts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return f"files-{digest_of([facts, venue, market])[:10]}"
