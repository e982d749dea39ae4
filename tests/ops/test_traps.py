"""Traps of the source systems that stand where jobs are run, watched and cleaned up after."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sereno
from sereno.core.clock import FixedClock
from sereno.core.mode import Mode
from sereno.core.timeframe import MINUTE_MS
from sereno.ops import jobs as table
from sereno.ops.app import Desk
from sereno.ops.first_pass import steps_of
from sereno.ops.guard import Verdict, guarded
from sereno.ops.jobs import JOBS, SIGNAL_ROUND, Job, find_job, jobs_of
from sereno.ops.run import Run
from sereno.ops.schedule import every
from sereno.ops.steps.anomaly import look_for_anomalies
from sereno.ops.steps.positions import advance_positions
from sereno.surfaces.cli.main import main
from tests.store.test_registry import keep
from tests.surfaces.seeded import NOW_MS, seeded_desk, settings_for

TEXTS = st.text(max_size=20) | st.sampled_from(["a\nb", "{\n}\n", "\u2028", "\x85", "\r"])
SOURCE = Path(sereno.__file__).parent
DECIDE = Job("signals-now", "", every(15), 600, "sereno.ops.steps.signals:decide_now")


@pytest.mark.parametrize(
    "job",
    [*(find_job(name, JOBS) for name in ("features", "train", "walkforward")), DECIDE],
    ids=lambda j: j.name,
)
def test_trap_b12_1_e4_15_no_data_is_no_success(tmp_path: Path, job: Job) -> None:
    """One folder was written and another read, and `no data` was logged as success for ever."""
    with Desk(settings_for(tmp_path)) as desk:
        verdict = guarded(job, desk, Run("r", job.name))
    assert (verdict.ok, verdict.rows or 0) == (False, 0)
    assert verdict.error
    assert verdict.exit_code != 0


@given(error=TEXTS, details=st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS) | st.none(), max_size=3))
def test_trap_a30_24_a_result_comes_through_the_pipe_as_one_line_and_whole(
    error: str, details: dict[str, object]
) -> None:
    """A result that spanned lines was read line by line, and told of nothing."""
    told = Verdict(False, 3, error, 1, details)
    line = told.to_json()
    assert line.splitlines() == [line]
    assert Verdict.from_json(line) == told


def calls_of(*names: str) -> list[ast.Call]:
    """Calls of functions of these names, anywhere in the code."""
    nodes = (node for path in sorted(SOURCE.rglob("*.py")) for node in ast.walk(ast.parse(path.read_text())))
    return [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func).rpartition(".")[2] in names]


def words_of(call: ast.Call) -> tuple[str, ...]:
    """The arguments that are plain texts, or names that the table of jobs gives."""
    named = {name: value for name, value in vars(table).items() if isinstance(value, str)}
    words = (named.get(a.id) if isinstance(a, ast.Name) else getattr(a, "value", None) for a in call.args)
    return tuple(word for word in words if isinstance(word, str))


def test_trap_b12_12_whatever_run_is_asked_for_is_a_run_that_is_recorded() -> None:
    """A check that waits for the record of a job that nobody keeps sees nothing, for ever."""
    known = {job.name for job in jobs_of("12:00")} | {SIGNAL_ROUND}
    asked = {
        word for call in calls_of("last_run", "last_ended", "failures", "latest") for word in words_of(call)
    }
    assert {"collector", "train"} <= asked
    assert asked <= known


def started() -> set[tuple[str, ...]]:
    """The command lines that this desk starts children with."""
    spelled = {
        words_of(call)[1:] for call in calls_of("start") if ast.unparse(call.func).endswith("launch.start")
    }
    steps = {words for _, words in steps_of(trained=False)}
    return {words for words in spelled | steps if words} | {("run", job.name) for job in jobs_of("12:00")}


def test_there_are_children_to_check() -> None:
    assert {("sim", "--standing"), ("run", "collector"), ("run", "dashboard")} <= started()


@pytest.mark.parametrize("words", sorted(started() - {("run",)}), ids=" ".join)
def test_trap_a30_27_r15_every_child_is_started_with_words_that_it_takes(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A promoter called a script with options that it had never had, after it had done the rest."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert "Usage" in capsys.readouterr().out


def test_words_that_no_command_takes_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sim", "--no-such-option", "--help"])
    assert ended.value.code == 2
    assert "No such option" in capsys.readouterr().err


def test_trap_a30_38_what_lives_is_not_cleaned_away_however_long_it_was_quiet(tmp_path: Path) -> None:
    """Files were archived by their age: a quiet risk state, the newest model, the list of models."""
    with seeded_desk(tmp_path) as desk:
        for series in desk.series:
            version = keep(desk.registry, 1, series_key=series.key)
            desk.registry.use("trend", series, version)
        assert advance_positions(desk, Run("p", "positions")).failed is None
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        for path in before:
            os.utime(path, (0, 0))
        look_for_anomalies(desk, Run("r", "anomaly"))
        assert [path for path in before if not path.exists()] == []
        ours = {
            p: held
            for p, held in before.items()
            if not p.name.startswith("ledger.") and "report" not in str(p)
        }
        assert len(ours) > 10
        assert {path for path, held in ours.items() if path.read_bytes() != held} == set()
        assert desk.mode is Mode.PAPER
        assert desk.clock.now_ms() == NOW_MS


def test_trap_b12_17_e4_12_work_that_is_done_again_leaves_no_more_files(tmp_path: Path) -> None:
    """Every cycle left fresh files that nobody ever removed."""

    def files() -> set[str]:
        return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}

    seen = []
    with seeded_desk(tmp_path) as desk:
        assert isinstance(desk.clock, FixedClock)
        for _ in range(4):
            advance_positions(desk, Run("p", "positions"))
            look_for_anomalies(desk, Run("a", "anomaly"))
            guarded(DECIDE, desk, Run("d", DECIDE.name))
            seen.append(files())
            desk.clock.advance(5 * MINUTE_MS)
    assert seen[0] == seen[-1]
    assert len(seen[0]) > 5
