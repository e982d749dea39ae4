"""Behind `sereno import-candles`: files into the lake one by one, bad rows told one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sereno.core.errors import FixConfig, SkipThis
from sereno.core.timeframe import iso
from sereno.ops.progress import Tell

if TYPE_CHECKING:
    from sereno.core.settings.sections import CandleSettings
    from sereno.market.imports import Imported, Told
    from sereno.ops.app import Desk
    from sereno.store.lake_words import Appended

MOST_ERRORS = 20
FREQTRADE = "freqtrade"  # its data folder, whichever of its two formats a file is of
SUFFIXES = (".csv", ".parquet", ".feather", ".json", ".zip", ".gz")


class FileEnd(StrEnum):
    """How it ended with one file."""

    STORED = "stored"
    BAD_ROWS = "stored but for bad rows"
    LEFT_OUT = "left out"
    REFUSED = "refused"

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to look at it."""
        return self in (FileEnd.STORED, FileEnd.LEFT_OUT)


@dataclass(frozen=True, slots=True)
class FileDone:
    """One file: how it ended, the words for the terminal, candles that were new."""

    end: FileEnd
    lines: tuple[str, ...]
    added: int = 0


def files_at(path: Path) -> tuple[Path, ...]:
    """The file, or every file below the folder that may hold candles.

    Raises FixConfig when there is none.
    """
    if not path.exists():
        raise FixConfig("import.no_file", remedy="check the path", path=path)
    if not path.is_dir():
        return (path,)
    found = sorted(
        one
        for one in path.rglob("*")
        if one.suffix.lower() in SUFFIXES and not one.name.startswith(".") and one.is_file()
    )
    if not found:
        raise FixConfig(
            "import.empty_folder", remedy=f"expected files ending in {', '.join(SUFFIXES)}", path=path
        )
    return tuple(found)


def import_files(
    desk: Desk, path: Path, told: Told, form: str, *, tell: Tell, still_ours: Callable[[], None]
) -> Iterator[FileDone]:
    """Store the candles of a file or of a folder's files; each stays stored whatever becomes of the next.

    tell         progress in files
    still_ours   called before each file is stored; raises when the lake may no longer be written

    A file of a folder that cannot be used is told and passed over; a file that was named by itself raises
    FixConfig or SkipThis.
    """
    _refuse_unknown_format(form)
    files = files_at(path)
    for number, file in enumerate(files):
        tell("files", number, len(files))
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        try:
            done = _import_file(desk, file, name, told, form, still_ours)
        except (FixConfig, SkipThis) as error:
            if not path.is_dir():
                raise
            done = _passed_over(name, error)
        yield done
    tell("files", len(files), len(files))


def summary(done: list[FileDone]) -> str:
    """One line for the end of a folder."""
    count = {end: sum(one.end is end for one in done) for end in FileEnd}
    told = ", ".join(f"{number} {end}" for end, number in count.items() if number)
    return f"{len(done)} files: {told}; {sum(one.added for one in done)} candles added"


def _import_file(
    desk: Desk, file: Path, name: str, told: Told, form: str, still_ours: Callable[[], None]
) -> FileDone:
    from sereno.market.imports import Otherwise, import_candles, series_of
    from sereno.market.venues import exchange_ids

    venue = desk.settings.venue
    pairs = {(one.base, one.quote) for one in desk.instruments}
    series = series_of(file, told, Otherwise(venue.name, venue.market, pairs, exchange_ids))
    now = desk.clock.now_ms()
    found = import_candles(file, series, _form(form, file), now=now)
    still_ours()
    stored = desk.lake.append(series, found.candles, source=f"file:{file.name}", mode=desk.mode, now=now)
    end = FileEnd.BAD_ROWS if found.errors else FileEnd.STORED
    if not len(found.candles):
        end = FileEnd.REFUSED
    noticed = _noticed(found, desk.settings.candles)
    return FileDone(end, _lines(f"{name} → {series.key}", stored, found, noticed), stored.added)


def _noticed(found: Imported, settings: CandleSettings) -> tuple[str, ...]:
    """What is odd about candles that are kept all the same."""
    from sereno.market.quality import suspicious

    findings = suspicious(
        found.candles,
        jump_frac=settings.jump_frac,
        zero_volume_run_bars=settings.zero_volume_run_bars,
    )
    told = (
        f"{one.defect.replace('_', ' ')} in {one.rows} rows from {iso(one.first_ms)}"
        + (f" ({one.detail})" if one.detail else "")
        for one in findings
    )
    return (*told, *((f"{found.missing_bars} missing",) if found.missing_bars else ()))


def _lines(what: str, stored: Appended, found: Imported, noticed: tuple[str, ...]) -> tuple[str, ...]:
    rest = len(found.errors) - MOST_ERRORS
    return (
        f"{what}: {stored.added} added, {stored.unchanged} known, {len(stored.corrections)} corrected, "
        f"{len(found.errors)} bad rows" + "".join(f"; {one}" for one in noticed),
        *(f"  row {error.row}: {error.reason}" for error in found.errors[:MOST_ERRORS]),
        *((f"  and {rest} more",) if rest > 0 else ()),
    )


def _passed_over(name: str, error: FixConfig | SkipThis) -> FileDone:
    end = FileEnd.LEFT_OUT if error.event == "import.no_candles" else FileEnd.REFUSED
    return FileDone(end, (f"{name}: {end}: {error}",))


def _refuse_unknown_format(form: str) -> None:
    from sereno.market.imports import FileFormat

    known = {*FileFormat, FREQTRADE}
    if form not in known:
        raise FixConfig("import.unknown_format", remedy=f"name one of {', '.join(sorted(known))}", given=form)


def _form(form: str, file: Path) -> str:
    if form == FREQTRADE:
        return "freqtrade-json" if ".json" in file.name else "freqtrade-feather"
    return form
