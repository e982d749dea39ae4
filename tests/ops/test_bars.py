"""Progress where there is no terminal: seldom enough for a log, often enough for whoever waits."""

from __future__ import annotations

import pytest

from sereno.ops.bars import LINE_EVERY_S, lines


def test_a_pipe_gets_a_line_now_and_then_and_nothing_for_what_is_short(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    tell = lines(monotonic_s=lambda: now)
    for done in range(40):
        now = done * LINE_EVERY_S / 10
        tell("simulated hours", done, 40)
    tell("short", 1, 1)
    assert capsys.readouterr().err.splitlines() == [f"simulated hours: {done} of 40" for done in (10, 20, 30)]
