"""The file in which a listener tells its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.errors import FixConfig
from sereno.core.settings import Paths
from sereno.ops.address import (
    API_ADDRESS,
    SIM_ADDRESS,
    Address,
    api_address,
    read_address,
    remove_address,
    sim_address,
    write_address,
)
from sereno.ops.process import holder_name
from tests.ops.test_records import NO_PID


def gone() -> str:
    host, boot, _, start = holder_name().split(":")
    return f"{host}:{boot}:{NO_PID}:{start}"


def test_what_is_written_is_read_and_names_this_process(tmp_path: Path) -> None:
    path = tmp_path / "run" / API_ADDRESS
    assert read_address(path) is None
    write_address(path, "http://here:1")
    told = read_address(path)
    assert told == Address("http://here:1", holder_name())
    assert not told.is_stale
    remove_address(path)
    assert read_address(path) is None
    remove_address(path)


def test_what_another_process_told_is_left(tmp_path: Path) -> None:
    path = tmp_path / API_ADDRESS
    path.write_text('{"url": "http://there:1", "holder": "other:1:2:3"}')
    remove_address(path)
    assert read_address(path) == Address("http://there:1", "other:1:2:3")


@pytest.mark.parametrize("torn", ["", "{", "[]", '"x"', "{}", '{"url": "http://here:1"}', "\0\0\0\0"])
def test_a_file_that_a_power_cut_left_is_no_address(tmp_path: Path, torn: str) -> None:
    path = tmp_path / API_ADDRESS
    path.write_text(torn)
    assert read_address(path) is None
    remove_address(path)
    write_address(path, "http://here:2")
    told = read_address(path)
    assert told is not None
    assert told.url == "http://here:2"


def test_an_api_whose_process_is_gone_listens_nowhere(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert api_address(paths) == ""
    write_address(paths.run / API_ADDRESS, "http://here:1")
    assert api_address(paths) == "http://here:1"
    (paths.run / API_ADDRESS).write_text(f'{{"url": "http://here:1", "holder": "{gone()}"}}')
    assert api_address(paths) == ""


def test_without_a_simulator_the_remedy_is_named(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with pytest.raises(FixConfig, match="start it with `sereno sim`"):
        sim_address(paths)
    write_address(paths.run / SIM_ADDRESS, "http://here:1")
    assert sim_address(paths) == "http://here:1"
