"""The record of one cycle of the collector: what happened to each series."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sereno.core.instrument import Series
from sereno.core.timeframe import UtcMs
from sereno.market.quality import QualityFinding


class SeriesStatus(StrEnum):
    """`skipped`: there is nothing to collect. `failed`: there should have been something."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """What one cycle did for one series; rows that were stored before a failure are counted.

    corrections          closed candles that the venue told differently than before
    gaps_repaired        holes filled, in holes
    gaps_unrepairable    holes found that the venue cannot fill; they are left alone for a week
    duration_ms          of the wall, not of a simulated clock
    newest_open_ms       newest stored candle, None if there is none
    """

    series: Series
    status: SeriesStatus
    rows_added: int
    corrections: int
    gaps_repaired: int
    gaps_unrepairable: int
    newest_open_ms: UtcMs | None
    duration_ms: int
    error: str | None
    findings: tuple[QualityFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class CycleReport:
    """One cycle over all series.

    offset_ms  venue's clock minus ours; None where the venue does not tell the time, or was not reached
    alert      more than half of the instruments failed
    """

    started_ms: UtcMs
    ended_ms: UtcMs
    offset_ms: int | None
    results: tuple[SeriesResult, ...]
    alert: bool

    @property
    def rows_added(self) -> int:
        """Candles stored in this cycle."""
        return sum(result.rows_added for result in self.results)

    def of(self, status: SeriesStatus) -> tuple[SeriesResult, ...]:
        """The results with that status."""
        return tuple(result for result in self.results if result.status is status)

    def details(self) -> dict[str, object]:
        """The same as plain JSON values, for the job's run record."""
        return {
            "offset_ms": self.offset_ms,
            "alert": self.alert,
            "rows": self.rows_added,
            "series": {result.series.key: _plain(result) for result in self.results},
        }


def more_than_half_failed(results: tuple[SeriesResult, ...]) -> bool:
    """Whether more than half of the instruments have a series that failed."""
    everyone = {result.series.instrument for result in results}
    failed = {r.series.instrument for r in results if r.status is SeriesStatus.FAILED}
    return 2 * len(failed) > len(everyone)


def _plain(result: SeriesResult) -> dict[str, object]:
    told: dict[str, object] = {
        "status": result.status.value,
        "rows": result.rows_added,
        "duration_ms": result.duration_ms,
        "newest_open_ms": result.newest_open_ms,
        "corrections": result.corrections,
        "gaps_repaired": result.gaps_repaired,
        "gaps_unrepairable": result.gaps_unrepairable,
        "findings": {finding.defect.value: finding.rows for finding in result.findings},
    }
    return told if result.error is None else {**told, "error": result.error}
