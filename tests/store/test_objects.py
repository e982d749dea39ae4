"""One contract for every store of blobs."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig, StopTrading, TryLater
from sereno.store import objects as objects_module
from sereno.store import objects_s3
from sereno.store.objects import LocalObjects, Objects
from sereno.store.objects_s3 import S3Objects
from tests.store.lake_world import (
    STORES,
    Countdown,
    Killed,
    bucket_address,
    folder_of_objects,
    mortal_disk,
    open_objects,
)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    return open_objects(request.param, tmp_path, monkeypatch)


def bytes_of(store: Objects, key: str) -> bytes | None:
    stored = store.get(key)
    return stored.data if stored else None


def test_what_was_put_is_got(store: Objects) -> None:
    store.put("a/b/c.bin", b"\x00one")
    assert bytes_of(store, "a/b/c.bin") == b"\x00one"


def test_an_empty_object_is_an_object(store: Objects) -> None:
    store.put("a", b"")
    assert bytes_of(store, "a") == b""


def test_nothing_there_is_none(store: Objects) -> None:
    assert store.get("a/b") is None


def test_put_replaces(store: Objects) -> None:
    store.put("a/b", b"a long old value")
    store.put("a/b", b"new")
    assert bytes_of(store, "a/b") == b"new"


def test_a_key_below_an_object_is_none(store: Objects) -> None:
    store.put("a", b"x")
    assert store.get("a/b") is None


def test_move_takes_it_from_here_to_there(store: Objects) -> None:
    store.put("a/b", b"x")
    store.move("a/b", "q/r/b")
    assert (store.get("a/b"), bytes_of(store, "q/r/b")) == (None, b"x")


def test_moving_what_is_gone_is_no_error(store: Objects) -> None:
    store.move("a/b", "q/b")
    assert store.keys("") == ()


def test_keys_are_sorted_and_below_their_folder(store: Objects) -> None:
    for key in ("b/2", "b/1/x", "a/1", "bb/1"):
        store.put(key, b"x")
    assert store.keys("b") == ("b/1/x", "b/2")
    assert store.keys("") == ("a/1", "b/1/x", "b/2", "bb/1")
    assert store.keys("nowhere") == ()


def test_equal_stamps_mean_equal_bytes(store: Objects) -> None:
    store.put("a", b"one")
    first = store.get("a")
    store.put("a", b"two")
    second = store.get("a")
    assert first is not None
    assert second is not None
    assert first.stamp is None or first.stamp != second.stamp


def test_one_thread_at_a_time_holds_a_lock(store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "LOCK_WAIT_S", 0.02)
    monkeypatch.setattr(objects_s3, "LOCK_WAIT_S", 0.02)
    seen: list[BaseException] = []

    def intrude() -> None:
        try:
            with store.lock("series"):
                pass
        except TryLater as refusal:
            seen.append(refusal)

    with store.lock("series"), store.lock("another"):
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
    assert [type(error) for error in seen] == [TryLater]
    with store.lock("series"):
        pass


def test_locks_are_no_keys(store: Objects) -> None:
    with store.lock("a/writer"):
        assert store.keys("") == ()


def test_a_lock_is_free_again_after_an_error(store: Objects) -> None:
    with pytest.raises(ZeroDivisionError), store.lock("a"):
        raise ZeroDivisionError
    with store.lock("a"):
        pass


# a local folder


def test_another_process_holding_the_lock_is_waited_for_and_then_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "LOCK_WAIT_S", 0.02)
    handle = os.open(tmp_path / "a.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)  # an own open file, as another process would have
    with pytest.raises(TryLater, match=r"lake\.locked"), LocalObjects(tmp_path).lock("a"):
        pass
    os.close(handle)


def test_a_folder_that_vanished_is_not_made_again(tmp_path: Path) -> None:
    store = folder_of_objects(tmp_path / "lake")
    store.put("a/b", b"x")
    (tmp_path / "lake").rename(tmp_path / "away")
    for write in (
        lambda: store.put("a/b", b"y"),
        lambda: store.put("c", b"y"),
        lambda: store.move("a/b", "c/b"),
    ):
        with pytest.raises(FixConfig, match=r"lake\.gone"):
            write()
    with pytest.raises(FixConfig, match=r"lake\.gone"), store.lock("a/writer"):
        pass
    assert store.get("a/b") is None
    assert not (tmp_path / "lake").exists()
    (tmp_path / "away").rename(tmp_path / "lake")
    store.put("a/b", b"y")
    assert bytes_of(store, "a/b") == b"y"


@pytest.mark.parametrize("key", ["../x", "/etc/x", "a/../../x", ""])
def test_keys_stay_inside_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError):
        LocalObjects(tmp_path / "lake").put(key, b"x")


def test_a_kill_at_any_system_call_leaves_the_old_or_the_new_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Countdown()
    counted = folder_of_objects(tmp_path / "count")
    counted.put("a/b", b"old")
    with monkeypatch.context() as patch:
        mortal_disk(patch, counting)
        counted.put("a/b", b"new bytes")
    assert counting.steps >= 4
    for point in range(counting.steps):
        store = folder_of_objects(tmp_path / str(point))
        store.put("a/b", b"old")
        with monkeypatch.context() as patch:
            mortal_disk(patch, Countdown(point))
            with pytest.raises(Killed):
                store.put("a/b", b"new bytes")
        assert bytes_of(store, "a/b") in (b"old", b"new bytes")
        assert store.keys("") == ("a/b",)
        store.sweep("a")
        assert [path.name for path in (tmp_path / str(point) / "a").iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("code", "expected", "event"),
    [
        (errno.ENOSPC, StopTrading, "lake.disk_full"),
        (errno.EDQUOT, StopTrading, "lake.disk_full"),
        (errno.EROFS, FixConfig, "lake.forbidden"),
        (errno.EACCES, FixConfig, "lake.forbidden"),
        (errno.EIO, StopTrading, "lake.disk"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_errors_of_the_disk_are_translated_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, expected: type, event: str, call: str
) -> None:
    store = LocalObjects(tmp_path)
    store.put("a", b"old")

    def fail(*args: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
        with pytest.raises(expected) as refusal:
            store.put("a", b"new")
    assert refusal.value.event == event
    assert bytes_of(store, "a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_just_changed_has_no_stamp_yet(tmp_path: Path) -> None:
    store = LocalObjects(tmp_path)
    store.put("a", b"x")
    fresh = store.get("a")
    os.utime(tmp_path / "a", ns=(0, 0))
    assert fresh is not None
    assert fresh.stamp is None  # its change time is still within one tick


# a bucket


@pytest.mark.parametrize("url", ["http://lakes/x", "s3://", "lakes"])
def test_an_address_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(FixConfig, match=r"lake\.url"):
        S3Objects(url)


def test_a_bucket_that_does_not_exist_is_for_a_person_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_objects("s3", tmp_path, monkeypatch)
    with pytest.raises(FixConfig, match=r"lake\.forbidden"):
        S3Objects("s3://no-such-bucket/x", endpoint=bucket_address()).put("a", b"x")


def test_a_server_that_is_not_there_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_objects("s3", tmp_path, monkeypatch)
    with pytest.raises(TryLater, match=r"lake\.unreachable"):
        S3Objects("s3://lakes/x", endpoint="http://127.0.0.1:9").put("a", b"x")
