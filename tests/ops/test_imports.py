"""Folders of candles into the lake: each file for itself, and never beside a collector."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sereno.core.candle import Candles
from sereno.core.errors import TryLater
from sereno.core.instrument import Instrument, Series
from sereno.core.timeframe import Timeframe, iso
from sereno.market.imports import Told
from sereno.ops.app import Desk
from sereno.ops.steps.imports import FileDone, FileEnd, import_files
from sereno.ops.turn import turn_of
from tests.market.worlds import NOW, walk
from tests.ops import running
from tests.ops.running import settings_of

H1 = Timeframe.H1
CANDLES = walk(H1, H1.floor(NOW) - 40 * H1.ms, 30)
BAD = (
    b"timestamp,open,high,low,close,volume\n1700010000000,100,99,101,100,3\n1700006400000,100,101,99,100,3\n"
)


def csv(candles: Candles = CANDLES) -> str:
    rows = [f"{c.open_ms},{c.open!r},{c.high!r},{c.low!r},{c.close!r},{c.volume!r}" for c in candles]
    return "\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n"


def feather(path: Path) -> None:
    names = ("open", "high", "low", "close", "volume")
    frame = pl.DataFrame({"date": CANDLES.open_ms, **{n: getattr(CANDLES, n) for n in names}})
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.with_columns(pl.from_epoch("date", time_unit="ms").dt.replace_time_zone("UTC")).write_ipc(path)


def vision(path: Path, candles: Candles) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path.with_suffix(".csv").name, csv(candles))


def sereno(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = ("--set", f"state_dir={state}", "--set", "mode=paper")
    return subprocess.run(
        [sys.executable, "-m", "sereno", *given, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=state.parent,
    )


def stored(state: Path, key: str) -> list[int]:
    at, _, timeframe = key.partition("@")
    series = Series(Instrument.from_key(at), Timeframe(timeframe))
    with Desk(settings_of(state)) as desk:
        assert desk.lake.verify(series) == ()
        times: list[int] = desk.lake.candles(series).open_ms.tolist()
        return times


def damaged(path: Path) -> None:
    """Flip a byte in the packed part of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_folder_of_freqtrade_and_of_vision_goes_on_past_what_is_bad(tmp_path: Path) -> None:
    """Every file has a line of its own, in order; what can be stored is."""
    folder, state = tmp_path / "given", tmp_path / "state"
    half = len(CANDLES) // 2
    feather(folder / "kraken" / "BTC_USDT-1h.feather")
    feather(folder / "kraken" / "futures" / "BTC_USDT_USDT-1h-futures.feather")
    feather(folder / "kraken" / "futures" / "BTC_USDT_USDT-8h-funding_rate.feather")
    first = Candles(H1, *columns(slice(0, half)))
    rest = Candles(H1, *columns(slice(half, None)))
    vision(folder / "spot" / "ETHUSDT-1h-2024-03-01.zip", first)
    vision(folder / "spot" / "ETHUSDT-1h-2024-03-02.zip", rest)
    vision(folder / "spot" / "LTCUSDT-1h-2024-03.zip", CANDLES)
    damaged(folder / "spot" / "LTCUSDT-1h-2024-03.zip")
    (folder / "BINANCE_SPOT_XRPUSDT_1h.csv").write_bytes(BAD)
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    (folder / "README.txt").write_text("not looked at")
    done = sereno(state, "import-candles", str(folder))
    assert done.returncode == 1, done.stderr
    told = [line for line in done.stdout.splitlines() if not line.startswith("  ")]
    assert [line.split(": ")[0].split(" → ")[0] for line in told[:-1]] == [
        "BINANCE_SPOT_XRPUSDT_1h.csv",
        "kraken/BTC_USDT-1h.feather",
        "kraken/futures/BTC_USDT_USDT-1h-futures.feather",
        "kraken/futures/BTC_USDT_USDT-8h-funding_rate.feather",
        "notes.csv",
        "spot/ETHUSDT-1h-2024-03-01.zip",
        "spot/ETHUSDT-1h-2024-03-02.zip",
        "spot/LTCUSDT-1h-2024-03.zip",
    ]
    assert told[-1] == (
        "8 files: 4 stored, 1 stored but for bad rows, 1 left out, 2 refused; 91 candles added"
    )
    assert "import.which_series" in told[4]
    assert "import.unreadable" in told[7]
    all_times = CANDLES.open_ms.tolist()
    for key in ("kraken:spot:BTC/USDT@1h", "kraken:linear:BTC/USDT@1h", "binance:spot:ETH/USDT@1h"):
        assert stored(state, key) == all_times
    again = sereno(state, "import-candles", str(folder / "kraken"))
    assert (again.returncode, "0 candles added" in again.stdout) == (0, True), again.stdout + again.stderr


def imported(folder: Path, state: Path) -> list[FileDone]:
    with Desk(settings_of(state)) as desk:
        return list(import_files(desk, folder, Told(), "auto", tell=lambda *_: None, still_ours=lambda: None))


def test_a_file_of_odd_columns_or_of_a_header_alone_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    feather(folder / "BTC_USDT-1h.feather")
    feather(folder / "ETH_USDT-1h.feather")
    odd = pl.read_ipc(folder / "BTC_USDT-1h.feather").with_columns(pl.col("date").dt.time())
    odd.write_ipc(folder / "AAA_USDT-1h.feather")
    (folder / "BBB_USDT-1h.csv").write_text(csv().partition("\n")[0] + "\n")
    (folder / "CCC_USDT-1h.csv").write_text(
        "date,open,high,low,close,volume\nnow,1,2,0.5,1,1\nnow,1,1,1,1,x\n"
    )
    (folder / "KRAKEN_SPOT_DOTUSD_1h.csv").write_text(csv())
    ends = {done.lines[0].partition(":")[0]: done for done in imported(folder, tmp_path / "state")}
    told = {name.partition(" ")[0]: (done.end, " ".join(done.lines)) for name, done in ends.items()}
    assert {name for name, (end, _) in told.items() if end is FileEnd.STORED} == {
        "BTC_USDT-1h.feather",
        "ETH_USDT-1h.feather",
    }
    for name, event in {
        "AAA_USDT-1h.feather": "import.columns",
        "BBB_USDT-1h.csv": "import.no_rows",
        "CCC_USDT-1h.csv": "import.every_row",
        "KRAKEN_SPOT_DOTUSD_1h.csv": "import.which_series",
    }.items():
        assert told[name][0] is FileEnd.REFUSED
        assert event in told[name][1]


def test_what_is_odd_but_may_be_true_is_told_and_stored(tmp_path: Path) -> None:
    """A jump, a level that changes for good, a dead market and a hole; one absurd row is left out."""
    factor = np.ones(len(CANDLES))
    factor[5:] = 2.0
    factor[8] = 1_000.0
    factor[12:] = 200.0
    prices = {name: getattr(CANDLES, name)[0] * factor for name in ("open", "high", "low", "close")}
    volume = np.where(np.arange(len(CANDLES)) >= 4, 0.0, 1.0)
    frame = pl.DataFrame({"date": CANDLES.open_ms, **prices, "volume": volume})
    (tmp_path / "given").mkdir()
    frame.with_row_index().filter(pl.col("index") != 3).write_csv(tmp_path / "given" / "BTC_USDT-1h.csv")
    (done,) = imported(tmp_path / "given", tmp_path / "state")
    assert (done.end, done.added) == (FileEnd.BAD_ROWS, len(CANDLES) - 2)
    line, error = done.lines
    at = [iso(moment) for moment in CANDLES.open_ms.tolist()]
    assert f"1 bad rows; jump in 2 rows from {at[5]} (largest 9900.0%); level change in 1 rows" in line
    assert (
        f"from {at[12]} (to 100 times the level); zero volume run in 25 rows from {at[4]}; 2 missing" in line
    )
    assert error == "  row 9: a price is absurdly far from those of the candles on both sides"


def columns(rows: slice) -> list[np.ndarray]:
    return [getattr(CANDLES, n)[rows] for n in ("open_ms", "open", "high", "low", "close", "volume")]


def test_progress_is_told_and_a_kill_between_two_files_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    feather(folder / "BTC_USDT-1h.feather")
    feather(folder / "ETH_USDT-1h.feather")
    seen: list[tuple[str, int, int]] = []
    with Desk(settings_of(tmp_path / "state")) as desk:
        files = import_files(
            desk, folder, Told(), "auto", tell=lambda *at: seen.append(at), still_ours=lambda: None
        )
        assert next(files).end is FileEnd.STORED
        files.close()
    assert seen == [("files", 0, 2)]
    assert stored(tmp_path / "state", "binance:spot:BTC/USDT@1h") == CANDLES.open_ms.tolist()
    assert stored(tmp_path / "state", "binance:spot:ETH/USDT@1h") == []


def test_a_lost_turn_stops_before_the_next_file_is_stored(tmp_path: Path) -> None:
    def lost() -> None:
        raise TryLater("job.turn_lost")

    feather(tmp_path / "given" / "BTC_USDT-1h.feather")
    with Desk(settings_of(tmp_path / "state")) as desk, pytest.raises(TryLater, match="turn_lost"):
        list(import_files(desk, tmp_path / "given", Told(), "auto", tell=lambda *_: None, still_ours=lost))
    assert stored(tmp_path / "state", "binance:spot:BTC/USDT@1h") == []


def test_a_running_collector_is_waited_for_and_then_named(tmp_path: Path) -> None:
    """Two processes: the job holds its lease, the import stores nothing; when it is gone, all."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "BINANCE_SPOT_BTCUSDT_1h.csv"
    file.write_text(csv())
    collector = running.start(state, "hang", job="collector")
    try:
        worker, grandchild = running.hanging(state)
        held = sereno(state, "import-candles", str(file), "--wait", "0.3")
        assert held.returncode == 75, held.stderr
        assert "waiting for it" in held.stderr
        assert "job.held" in held.stderr
        assert "collector" in held.stderr
        assert stored(state, "binance:spot:BTC/USDT@1h") == []
    finally:
        collector.kill()
        os.kill(grandchild, signal.SIGKILL)
        collector.communicate(timeout=running.PATIENCE_S)
        running.until(lambda: running.is_gone(worker), what="the end of the job")
    done = sereno(state, "import-candles", str(file), "--wait", "0")
    assert done.returncode == 0, done.stderr
    assert stored(state, "binance:spot:BTC/USDT@1h") == CANDLES.open_ms.tolist()


def test_a_collector_does_not_begin_while_files_are_imported(tmp_path: Path) -> None:
    with Desk(settings_of(tmp_path)) as desk:
        with turn_of(desk, "collector", patience_s=0, waiting=lambda: None) as still_ours:
            still_ours()
            assert running.run(tmp_path, "well", job="collector")[0] == 75
        assert running.run(tmp_path, "well", job="collector")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--timeframe", "7h"), "import.timeframe"),
        (("--timeframe", "1D"), "did you mean 1d?"),
        (("--instrument", "BTCUSDT"), "write BASE/QUOTE"),
        (("--venue", "a/b"), "import.venue"),
        (("--format", "excel"), "import.unknown_format"),
    ],
)
def test_a_mistyped_option_is_one_line_that_says_what_to_write(
    tmp_path: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from sereno.surfaces.cli.main import main

    (tmp_path / "x.csv").write_text(csv())
    given = ["--set", f"state_dir={tmp_path / 'state'}", "--set", "mode=paper"]
    with pytest.raises(SystemExit) as ended:
        main([*given, "import-candles", str(tmp_path / "x.csv"), *words])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.strip().splitlines()) == 1


def encrypted(path: Path) -> None:
    """A zip whose entry says that it wants a password."""
    vision(path, CANDLES)
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    packed = gzip.compress(csv().encode())
    path.write_bytes(packed[: len(packed) // 2])


@pytest.mark.parametrize(
    ("name", "make"),
    [("BTCUSDT-1h-2024-03.zip", encrypted), ("BINANCE_SPOT_BTCUSDT_1h.csv.gz", cut_off)],
)
def test_a_file_that_cannot_be_unpacked_is_refused_with_a_reason(tmp_path: Path, name, make) -> None:
    from sereno.core.errors import FixConfig
    from sereno.market.imports import import_candles

    make(tmp_path / name)
    series = Series(Instrument.from_key("binance:spot:BTC/USDT"), H1)
    with pytest.raises(FixConfig, match=r"import\.unreadable"):
        import_candles(tmp_path / name, series)


def test_the_raw_samples_are_imported_as_a_folder(shared_data: Path, tmp_path: Path) -> None:
    done = sereno(tmp_path / "state", "import-candles", str(shared_data / "raw_samples"))
    assert done.returncode == 1
    assert "FILUSDT-1m-2024-11_head3000.csv → binance:spot:FIL/USDT@1m: 3000 added" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("3 files: 1 stored, 2 refused")
