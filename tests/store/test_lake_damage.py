"""Files that rot: put aside, kept, told, collected again. Disks that fill up. Writers that meet."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from sereno.core.errors import SkipThis, StopTrading, TryLater
from sereno.core.timeframe import from_iso
from sereno.store import lake_shelf
from sereno.store import objects as objects_module
from sereno.store.lake import Gap, Lake
from sereno.store.objects import LocalObjects, Objects, Stored
from tests.store.lake_world import (
    HOURLY,
    NOW,
    STORES,
    Countdown,
    Killed,
    Mortal,
    append,
    at,
    candles,
    changed,
    lake_on,
    open_objects,
    rot,
)

FOLDER = "candles/binance/spot/BTC_USDT/1h"
JANUARY = f"{FOLDER}/2024-01.parquet"
MANIFEST = f"{FOLDER}/manifest.json"
WAYS = ("truncate", "bit", "zeros", "empty", "gone")
BLOCK = candles(48 + 29 * 24 + 48)  # three months: the end of January, February, the start of March


@pytest.fixture(params=STORES)
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    return open_objects(request.param, tmp_path, monkeypatch)


@pytest.fixture
def lake(objects: Objects) -> Lake:
    return lake_on(objects)


@pytest.fixture
def local(tmp_path: Path) -> Lake:
    return lake_on(LocalObjects(tmp_path / "lake"))


def spans(gaps: tuple[Gap, ...]) -> list[tuple[int, int]]:
    return [(gap.first_open_ms, gap.last_open_ms) for gap in gaps]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    ("month", "first", "last"),
    [("2024-01", 0, 47), ("2024-02", 48, 743), ("2024-03", 744, 791)],
)
def test_a_damaged_month_is_put_aside_and_its_range_collected_again(
    local: Lake, tmp_path: Path, how: str, month: str, first: int, last: int
) -> None:
    append(local, BLOCK)
    rot(local, f"{FOLDER}/{month}.parquet", how)
    (damage,) = local.verify(HOURLY)
    assert (damage.file, damage.first_ms, damage.last_ms) == (
        f"{FOLDER}/{month}.parquet",
        at(first),
        at(last),
    )
    assert damage.has_range
    kept = [path for path in (tmp_path / "lake" / "quarantine").rglob("*.parquet") if path.is_file()]
    assert len(kept) == (how != "gone")
    assert damage.kept_as == (kept[0].relative_to(tmp_path / "lake").as_posix() if kept else "")
    assert local.verify(HOURLY) == (damage,)  # told until it is mended, also to the next process
    assert spans(lake_on(LocalObjects(tmp_path / "lake")).missing(HOURLY, 0, NOW)) == [(at(first), at(last))]
    half = (first + last) // 2
    append(local, BLOCK.slice(first, half))
    assert local.verify(HOURLY) == (damage,)
    append(local, BLOCK.slice(half, last + 1))
    assert local.verify(HOURLY) == ()
    assert local.missing(HOURLY, 0, NOW) == ()
    assert local.candles(HOURLY).digest() == BLOCK.digest()
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize("how", WAYS)
def test_a_read_meets_damage_once_and_then_goes_on_without_it(lake: Lake, objects: Objects, how: str) -> None:
    append(lake, BLOCK)
    lake.candles(HOURLY)
    rot(lake, JANUARY, how)
    with pytest.raises(SkipThis, match=r"lake\.damaged"):
        lake.candles(HOURLY)
    for reader in (lake, lake_on(objects)):
        assert reader.candles(HOURLY).digest() == BLOCK.slice(48).digest()
        assert spans(reader.missing(HOURLY, 0, NOW)) == [(at(0), at(47))]
    assert len(lake.verify(HOURLY)) == 1
    append(lake, BLOCK.slice(0, 48))
    assert lake_on(objects).candles(HOURLY).digest() == BLOCK.digest()
    assert lake.verify(HOURLY) == ()


def test_an_append_into_a_damaged_month_keeps_the_damage_and_goes_on(local: Lake, tmp_path: Path) -> None:
    append(local, BLOCK.slice(0, 40))
    rot(local, JANUARY, "truncate")
    fresh = lake_on(LocalObjects(tmp_path / "lake"))
    assert append(fresh, BLOCK.slice(38, 60)).added == 22
    assert spans(fresh.missing(HOURLY, 0, NOW)) == [(at(0), at(37))]
    assert [damage.last_ms for damage in fresh.verify(HOURLY)] == [at(39)]


def test_a_range_that_the_venue_no_longer_has_can_be_written_off(local: Lake) -> None:
    append(local, BLOCK)
    rot(local, JANUARY, "zeros")
    local.verify(HOURLY)
    append(local, BLOCK.slice(0, 20))
    local.record_gap(HOURLY, Gap(at(20), at(47), "venue has no such history"))
    assert local.verify(HOURLY) == ()
    assert local.missing(HOURLY, 0, NOW) == ()


@pytest.mark.parametrize("how", WAYS)
def test_a_manifest_is_made_again_from_the_files(lake: Lake, objects: Objects, how: str) -> None:
    append(lake, BLOCK, now=at(1000))
    append(lake, changed(BLOCK, 5, by=1.0), now=at(1100))
    rot(lake, MANIFEST, how)
    for reader in (lake, lake_on(objects)):
        assert reader.candles(HOURLY).digest() == changed(BLOCK, 5, by=1.0).digest()
        assert len(reader.corrections(HOURLY)) == 1
    (damage,) = lake.verify(HOURLY)
    assert damage.file == MANIFEST
    assert not damage.has_range
    assert lake.verify(HOURLY) == ()
    assert lake.candles(HOURLY, as_of=at(1050)).digest() == BLOCK.digest()


def test_a_manifest_and_a_month_damaged_together(local: Lake) -> None:
    append(local, BLOCK)
    rot(local, MANIFEST, "truncate")
    rot(local, f"{FOLDER}/2024-02.parquet", "bit")
    told = [damage for damage in local.verify(HOURLY) if damage.has_range]
    assert [(damage.first_ms, damage.last_ms + 1) for damage in told] == [
        (from_iso("2024-02-01"), from_iso("2024-03-01"))
    ]
    append(local, BLOCK)
    assert local.verify(HOURLY) == ()
    assert local.candles(HOURLY).digest() == BLOCK.digest()


def test_a_manifest_edited_by_hand_is_not_believed(local: Lake, tmp_path: Path) -> None:
    append(local, BLOCK.slice(0, 10))
    path = tmp_path / "lake" / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"rows":10', b'"rows":99'))
    assert local.extent(HOURLY).rows == 10  # type: ignore[union-attr]
    assert [damage.file for damage in local.verify(HOURLY)] == [MANIFEST]


@pytest.mark.parametrize("how", WAYS)
def test_damaged_corrections_are_told_once_and_candles_stay(local: Lake, how: str) -> None:
    append(local, BLOCK)
    append(local, changed(BLOCK, 5, by=1.0))
    rot(local, f"{FOLDER}/corrections.parquet", how)
    (damage,) = local.verify(HOURLY)
    assert not damage.has_range
    assert local.verify(HOURLY) == ()
    assert local.corrections(HOURLY) == ()
    assert local.candles(HOURLY).digest() == changed(BLOCK, 5, by=1.0).digest()
    assert append(local, changed(BLOCK, 5, by=2.0)).corrections == local.corrections(HOURLY)


@pytest.fixture
def settled_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all files had been written a minute ago."""
    ahead = objects_module.time.time_ns() + 60_000_000_000
    monkeypatch.setattr(objects_module.time, "time_ns", lambda: ahead)


def count_hashes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []

    def counted(data: bytes = b"") -> object:
        sizes.append(len(data))
        return sha256(data)

    monkeypatch.setattr(lake_shelf, "sha256", counted)
    return sizes


@pytest.mark.usefixtures("settled_files")
def test_a_file_that_has_not_changed_is_hashed_once(local: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    append(local, BLOCK)
    hashed = count_hashes(monkeypatch)
    for _ in range(3):
        local.candles(HOURLY)
    assert len(hashed) == 3  # one a month
    local.verify(HOURLY)
    assert len(hashed) == 6  # verify believes nothing


@pytest.mark.usefixtures("settled_files")
def test_a_flipped_bit_is_seen_although_the_hash_was_known(
    local: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is remembered by the file's stamp; a change shows there even if its time is forged."""
    append(local, BLOCK)
    hashed = count_hashes(monkeypatch)
    path = tmp_path / "lake" / JANUARY
    os.utime(path, ns=(0, 0))
    for _ in range(2):
        local.candles(HOURLY)
    assert len(hashed) == 3
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # until the disk's clock has ticked
        path.write_bytes(data)
        os.utime(path, ns=(0, 0))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, 0)
    with pytest.raises(SkipThis, match=r"lake\.damaged"):
        local.candles(HOURLY)


# a full disk


@pytest.mark.parametrize("allowed", range(5))
def test_a_full_disk_stops_trading_and_harms_nothing(
    local: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    append(local, BLOCK.slice(0, 60), now=at(1000))
    writes = iter([None] * allowed)

    def written(path: Path, data: bytes) -> int:
        if next(writes, "full") == "full":
            real(path, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    real = Path.write_bytes
    later = changed(BLOCK, 50, by=1.0).slice(40)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", written)
        with pytest.raises(StopTrading, match=r"lake\.disk_full"):
            append(local, later, now=at(1100))
    for lake in (local, lake_on(LocalObjects(tmp_path / "lake"))):
        found = lake.candles(HOURLY)
        assert found.slice(0, 40).digest() == BLOCK.slice(0, 40).digest()
        assert found.close[50] in (BLOCK.close[50], BLOCK.close[50] + 1.0)
        assert len(found) >= 60
        assert lake.verify(HOURLY) == ()
    assert append(local, later, now=at(1200)).unchanged >= 9
    assert local.candles(HOURLY, at(40)).digest() == later.digest()
    assert len(local.corrections(HOURLY)) == 1
    assert not list((tmp_path / "lake").rglob("*.draft"))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 256 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=256k") != 0:
        pytest.skip("this user may not mount a small file system")
    yield folder
    libc.umount2(str(folder).encode(), 2)


def test_a_really_full_disk(tiny_disk: Path) -> None:
    lake = lake_on(LocalObjects(tiny_disk))
    stored = 0
    with pytest.raises(StopTrading, match=r"lake\.disk_full"):
        for start in range(0, 20_000, 200):
            append(lake, candles(200, start=at(start)), now=at(30_000))
            stored = start + 200
    assert stored > 200
    for reader in (lake, lake_on(LocalObjects(tiny_disk))):
        assert reader.candles(HOURLY, None, at(stored)).digest() == candles(stored).digest()


# writers that meet


def test_trap_a30_11_lost_update(tmp_path: Path) -> None:
    """Eight writers with a lake each take turns on one series; no page overwrites another."""
    lakes = [lake_on(LocalObjects(tmp_path / "lake")) for _ in range(8)]
    block = candles(800, start=from_iso("2024-02-01"))
    faults: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for start in range(number * 10, 640, 80):
                append(lakes[number], block.slice(start, start + 10))
        except BaseException as fault:  # noqa: BLE001 - the test asserts that there is none
            faults.append(fault)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert lakes[0].candles(HOURLY).digest() == block.slice(0, 640).digest()
    assert lakes[0].verify(HOURLY) == ()


def test_readers_never_see_half_of_what_a_writer_does(tmp_path: Path) -> None:
    writer, reader = (lake_on(LocalObjects(tmp_path / "lake")) for _ in range(2))
    block = candles(600)
    append(writer, block.slice(0, 10))
    done = threading.Event()
    faults: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                found = reader.candles(HOURLY)
                assert found.digest() == block.slice(0, len(found)).digest()
                assert reader.extent(HOURLY).rows <= 600  # type: ignore[union-attr]
                assert reader.missing(HOURLY, 0, NOW) == ()
        except BaseException as fault:  # noqa: BLE001 - the test asserts that there is none
            faults.append(fault)

    thread = threading.Thread(target=read)
    thread.start()
    for start in range(10, 600, 10):
        append(writer, block.slice(start, start + 10))
    done.set()
    thread.join()
    assert faults == []
    assert reader.verify(HOURLY) == ()


class Overtaken:
    """A store in which something happens right after the reader's first look at a Parquet file."""

    def __init__(self, inner: Objects, event: Callable[[], None]) -> None:
        self._inner = inner
        self._event: Callable[[], None] | None = event

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def get(self, key: str) -> Stored | None:
        found = self._inner.get(key)
        event = self._event
        if event is not None and key.endswith(".parquet"):
            self._event = None
            event()
        return found


def cut_short(folder: Path, after: int) -> LocalObjects:
    """A lake whose second append, over a month's end, died after so many writes."""
    objects = LocalObjects(folder)
    append(lake_on(objects), BLOCK.slice(0, 40))
    with pytest.raises(Killed):
        append(lake_on(Mortal(objects, Countdown(after))), BLOCK.slice(40, 60))  # type: ignore[arg-type]
    return objects


def test_a_reader_between_two_files_of_one_append_sees_no_hole(tmp_path: Path) -> None:
    after = cut_short(tmp_path / "after", 3)
    names = [key for key in after.keys(FOLDER) if key.endswith(".parquet")]
    assert len(names) == 2

    for number, look in enumerate((candles_seen, candles_counted)):
        before = cut_short(tmp_path / str(number), 1)

        def both_files_come(before: LocalObjects = before) -> None:
            for key in names:
                before.put(key, after.get(key).data)  # type: ignore[union-attr]

        assert look(lake_on(Overtaken(before, both_files_come))) in (40, 48, 60)  # type: ignore[arg-type]


def candles_seen(lake: Lake) -> int:
    return len(lake.candles(HOURLY))


def candles_counted(lake: Lake) -> int:
    assert lake.missing(HOURLY, 0, NOW) == ()
    extent = lake.extent(HOURLY)
    return extent.rows if extent else 0


def test_a_reader_overtaken_by_whole_appends_sees_no_hole(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    writer = lake_on(objects)
    append(writer, BLOCK.slice(0, 60))

    def go_on() -> None:
        for start in range(60, 200, 20):
            append(writer, BLOCK.slice(start, start + 20))

    found = lake_on(Overtaken(objects, go_on)).candles(HOURLY)  # type: ignore[arg-type]
    assert found.digest() == BLOCK.slice(0, len(found)).digest()
    assert len(found) == 200


HOLDER = """
import sys
from pathlib import Path
from sereno.store.objects import LocalObjects
with LocalObjects(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_writer_in_another_process_is_waited_for_then_reported(
    local: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(local, BLOCK.slice(0, 10))
    monkeypatch.setattr(objects_module, "LOCK_WAIT_S", 0.05)
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "lake"), f"{FOLDER}/writer"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(TryLater, match=r"lake\.locked"):
            append(local, BLOCK)
        assert len(local.candles(HOURLY)) == 10  # readers wait for nobody
        holder.kill()
    assert append(local, BLOCK).added == len(BLOCK) - 10  # a dead holder holds nothing
