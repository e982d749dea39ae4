"""Getting the newest candle: the daemon does not give up because another collector has just begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.ops.app import Desk
from sereno.ops.guard import EXIT_LATER
from sereno.ops.steps import freshness
from sereno.ops.steps.freshness import TRIES, collect_if_behind
from tests.surfaces.seeded import settings_for


@pytest.mark.parametrize(("answers", "asked"), [([EXIT_LATER, 0], 2), ([1], 1), ([EXIT_LATER] * 9, TRIES)])
def test_a_collector_that_finds_another_one_is_asked_again_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[int], asked: int
) -> None:
    left = iter(answers)
    told: list[int] = []

    def collector(*_: object) -> int:
        told.append(next(left))
        return told[-1]

    monkeypatch.setattr(freshness, "_run_collector", collector)
    monkeypatch.setattr(freshness, "GRACE_S", 0.0)
    with Desk(settings_for(tmp_path), clock=FixedClock(1_736_121_600_000)) as desk:
        collect_if_behind(desk, desk.series, lambda: None)
    assert len(told) == asked
