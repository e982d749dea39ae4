"""An interrupted search for parameters goes on with the same trials, and ends as an undisturbed one."""

from __future__ import annotations

import itertools
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from sereno.models import tune as searched
from sereno.models.boost import TreeParams
from sereno.models.contract import Role, silent
from sereno.models.dataset import Dataset, join
from sereno.models.search_journal import opened, whole_lines
from sereno.models.tune import Search, tune
from tests.models.worlds import BARRIERS, MODELS, SERIES, world

TRIALS = 8
TUNED = MODELS.model_copy(update={"trials": TRIALS, "rounds": 15})


class Killed(BaseException):
    """What ends a process, Optuna included."""


@pytest.fixture(scope="module")
def data() -> Dataset:
    made = world(rows=700, edge=0.4, seed=6)
    return join(made.frame, made.labels, timeframe=SERIES.timeframe, horizon_bars=BARRIERS.horizon_bars)


@pytest.fixture(scope="module")
def undisturbed(data: Dataset) -> Search:
    return search(data, None)


def search(data: Dataset, journal: Path | None) -> Search:
    return tune(Role.RISK, data, settings=TUNED, stage="risk", progress=silent, journal=journal)


def tried(journal: Path) -> list[dict[str, object]]:
    return [trial.params for trial in opened(journal).get_trials() if trial.state.name != "FAIL"]


def kill_after(monkeypatch: pytest.MonkeyPatch, growths: int) -> None:
    """The process ends when trees are grown for the (growths + 1)th time."""
    count, grow = itertools.count(1), searched.grow

    def growing(*given: object, **named: object) -> object:
        if next(count) > growths:
            raise Killed
        return grow(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(searched, "grow", growing)


def test_the_journal_changes_nothing(data: Dataset, undisturbed: Search, tmp_path: Path) -> None:
    assert search(data, tmp_path / "kept" / "risk.journal") == undisturbed
    assert undisturbed.trials == TRIALS
    assert undisturbed.params != TreeParams()


@pytest.mark.parametrize("growths", [0, 1, 5])
def test_an_interrupted_search_ends_like_an_undisturbed_one(
    data: Dataset, undisturbed: Search, tmp_path: Path, growths: int
) -> None:
    whole, journal = tmp_path / "whole.journal", tmp_path / "risk.journal"
    search(data, whole)
    for _ in range(2):  # killed twice, at the same place of the attempt
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            kill_after(patch, min(growths, 3))
            search(data, journal)
    assert search(data, journal) == undisturbed
    assert tried(journal) == tried(whole)


def test_what_was_tried_is_not_tried_again(
    data: Dataset, undisturbed: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(data, tmp_path / "risk.journal")
    kill_after(monkeypatch, 0)
    assert search(data, tmp_path / "risk.journal") == undisturbed


def test_a_torn_line_and_the_lock_of_a_dead_writer_are_no_hindrance(
    data: Dataset, undisturbed: Search, tmp_path: Path
) -> None:
    journal = tmp_path / "risk.journal"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 5)
        search(data, journal)
    with journal.open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    (tmp_path / "risk.journal.lock").symlink_to(journal)
    assert search(data, journal) == undisturbed


def test_only_whole_lines_are_kept() -> None:
    first, second = b'{"a":1}\n', b'{"b":2}\n'
    assert whole_lines(first + second) == first + second
    assert whole_lines(first + second[:-1]) == first
    assert whole_lines(first + b"{\n" + second) == first
    assert whole_lines(b"[1]\n") == whole_lines(b"") == b""


def test_the_journal_is_json_and_nothing_beside_it(data: Dataset, tmp_path: Path) -> None:
    search(data, tmp_path / "risk.journal")
    assert [path.name for path in tmp_path.iterdir()] == ["risk.journal"]
    assert all(json.loads(line) for line in (tmp_path / "risk.journal").read_text().splitlines())


def test_nothing_is_pickled(
    data: Dataset, undisturbed: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna's journal pickles its snapshots, which files do not take."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("pickled")

    for name in ("load", "loads", "dump", "dumps"):
        monkeypatch.setattr(pickle, name, refused)
    for _ in range(2):
        assert search(data, tmp_path / "risk.journal") == undisturbed


def test_the_draws_of_a_trial_depend_on_the_seed(data: Dataset, undisturbed: Search) -> None:
    other = TUNED.model_copy(update={"seed": 18})
    found = tune(Role.RISK, data, settings=other, stage="risk", progress=silent)
    assert replace(found, params=undisturbed.params) == replace(undisturbed, pruned=found.pruned)
    assert found.params != undisturbed.params
