"""Replacing files: whole or not at all, and nothing is left lying about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sereno.core.files import replace_file, replace_json, replacing


def test_the_new_content_is_there_whole_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "name.txt"
    replace_file(path, "old")
    replace_file(path, b"new", durable=True)
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["name.txt"]


def test_a_writer_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "name.txt"
    replace_file(path, "old")
    with pytest.raises(RuntimeError, match="half way"), replacing(path) as draft:
        draft.write_text("half of the ne")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["name.txt"]


def test_a_reader_sees_the_old_file_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "name.txt"
    replace_file(path, "old")
    with replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_json_has_no_word_for_nan_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "name.json"
    replace_json(path, {"equity": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace_json(path, {"equity": float("nan")})
    assert path.read_text() == '{\n  "equity": 1.0\n}\n'


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "name.json"
    replace_json(path, {"a": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_json(path, {"a": 2})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert os.listdir(tmp_path) == ["name.json"]
