"""The table of jobs, and what is derived from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sereno.core.errors import FixConfig
from sereno.ops.docs import PAGES, stale_pages, write_pages
from sereno.ops.guard import load_function
from sereno.ops.jobs import JOBS, find_job, jobs_of, one_pass

DOCS = Path(__file__).resolve().parents[2] / "docs"

OF_THE_ISSUE = {
    "collector": "every 15 minutes",
    "features": "every 3 hours at :10",
    "train": "Sun 02:00",
    "signals": None,
    "positions": "every 5 minutes",
    "walkforward": "first Sun of the month 04:00",
    "anomaly": "every 6 hours at :37",
    "dashboard": None,
}


def test_the_rows_of_the_issue_are_there() -> None:
    """Others may stand beside them: a new job is one function and one row."""
    rows = {job.name: job for job in JOBS}
    assert len(rows) == len(JOBS), "two jobs of one name"
    assert {
        name: None if rows[name].is_daemon else rows[name].schedule.words for name in OF_THE_ISSUE
    } == OF_THE_ISSUE


def test_trap_a30_34_r15_every_row_has_a_function_and_a_time_out() -> None:
    for job in (*jobs_of("12:00"), one_pass()):
        assert callable(load_function(job.function))
        assert job.timeout_s > 0


def test_trap_b12_11_recommendation_update_time_is_obeyed() -> None:
    assert "signals-daily" not in [job.name for job in jobs_of("")]
    job = find_job("signals-daily", jobs_of("07:45"))
    assert job.schedule.on_calendar("Europe/Madrid") == "*-*-* 07:45:00 Europe/Madrid"


def test_trap_a30_31_an_unknown_job_is_refused_with_the_choices() -> None:
    with pytest.raises(FixConfig, match="collector, features"):
        find_job("colector", JOBS)


def test_trap_a12_11_generated_pages_are_in_step_with_the_code() -> None:
    assert stale_pages(DOCS) == ()


def test_stale_pages_are_noticed(tmp_path: Path) -> None:
    write_pages(tmp_path)
    assert stale_pages(tmp_path) == ()
    (tmp_path / "jobs.md").write_text("old")
    (tmp_path / "settings.md").unlink()
    assert {path.name for path in stale_pages(tmp_path)} == {"jobs.md", "settings.md"}


def test_pages_name_every_job_every_setting_and_every_alias() -> None:
    from sereno.core.settings import Settings, keys_of
    from sereno.core.settings.aliases import ALIASES
    from sereno.features.registry import FEATURES

    assert all(f"`{job.name}`" in PAGES["jobs.md"]() for job in JOBS)
    assert all(f"`{key}`" in PAGES["settings.md"]() for key, _ in keys_of(Settings))
    assert all(f"`{alias.name}`" in PAGES["migrating.md"]() for alias in ALIASES)
    assert all(f"| `{name}` |" in PAGES["features.md"]() for name in FEATURES)
