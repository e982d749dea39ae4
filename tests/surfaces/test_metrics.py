"""`/metrics` and the textfiles against one table, read by Prometheus' own parser and by promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete

from sereno.core.clock import FixedClock
from sereno.core.timeframe import HOUR_MS
from sereno.ops.app import Desk
from sereno.ops.guard import Verdict
from sereno.ops.logs import Redactor
from sereno.ops.metric_table import JOB_SUCCESS, METRICS, Metric, MetricType, Sample, exposition
from sereno.ops.records import Recorder
from sereno.ops.run import Finished
from sereno.ops.textfile import write_textfile
from sereno.store.ledger import runs
from sereno.store.ledger.runs import RunStatus
from sereno.surfaces.api.app import create_app
from tests.surfaces.client import TestClient
from tests.surfaces.seeded import NOW_MS, _run, seeded_desk, settings_for

PREFIX = "ost_"
PROMISED = {
    "http_requests_total": MetricType.COUNTER,
    "http_request_latency_seconds": MetricType.HISTOGRAM,
    "ingestion_duration_seconds": MetricType.GAUGE,
    "ingestion_failures_total": MetricType.COUNTER,
    "signal_generation_duration_seconds": MetricType.GAUGE,
    "last_ingestion_timestamp_seconds": MetricType.GAUGE,
    "last_signal_timestamp_seconds": MetricType.GAUGE,
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with seeded_desk(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture(scope="module")
def scraped(desk: Desk) -> str:
    """A second scrape: by then the process has counted its first request."""
    with TestClient(create_app(desk), base_url="http://127.0.0.1") as client:
        client.get("/metrics")
        text: str = client.get("/metrics").text
    return text


@pytest.fixture
def written(tmp_path: Path) -> str:
    """The textfile of a run."""
    run = Finished("collector", "r", "success", 7, None, {}, NOW_MS, NOW_MS + 9, NOW_MS + 9, 1e-05, 0)
    return write_textfile(tmp_path, PREFIX, "paper", run).read_text()


def families(text: str) -> dict[str, Family]:
    """Parsed, by the name that stands in the table."""
    found = {}
    for family in text_string_to_metric_families(text):
        suffix = "_total" if family.type == "counter" else ""
        found[family.name.removeprefix(PREFIX) + suffix] = family
    return found


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_table_keeps_the_manners_of_prometheus(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)
    assert not set(metric.text) & set('\\\n"')
    assert metric.text.endswith(".")


def test_the_promised_names_stand_in_the_table_once() -> None:
    types = {metric.name: metric.type for metric in METRICS}
    assert len(types) == len(METRICS)
    assert types | PROMISED == types


def test_trap_a30_35_every_promised_metric_is_scraped(scraped: str) -> None:
    assert set(PROMISED) <= set(families(scraped))


def test_trap_a30_35_r13_what_is_scraped_is_what_the_table_says(scraped: str) -> None:
    table = {metric.name: metric for metric in METRICS}
    for name, family in families(scraped).items():
        metric = table[name]
        assert (family.type, family.documentation) == (metric.type, metric.text)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample
    assert set(families(scraped)) == set(table)


def test_textfile_and_scrape_agree(scraped: str, written: str) -> None:
    there = families(scraped)
    for name, family in families(written).items():
        assert (family.type, family.documentation) == (there[name].type, there[name].documentation)
        assert family.samples[0].labels == {"job": "collector", "mode": "paper"}
    values = {name: family.samples[0].value for name, family in families(written).items()}
    assert values == {
        "job_last_run_timestamp_seconds": (NOW_MS + 9) / 1000,
        "job_last_run_success": 1.0,
        "job_last_run_duration_seconds": 1e-05,
        "job_last_run_rows": 7.0,
    }


def test_trap_a30_35_a_prometheus_that_reads_both_places_finds_each_series_in_one(tmp_path: Path) -> None:
    """Whichever place the setting names, the other does not tell of the same run."""
    places = {}
    for textfile in (False, True):
        with (
            seeded_desk(tmp_path / str(textfile), metrics={"textfile": textfile}) as desk,
            TestClient(create_app(desk), base_url="http://127.0.0.1") as client,
        ):
            recorder = Recorder(desk.ledger, desk.settings, desk.clock, Redactor.of(desk.settings))
            for _ in range(2):
                started = recorder.start("features", f"r{_}")
                recorder.end(started, Verdict(True, 1, None, 0, {}), "success")
            scraped = client.get("/metrics").text
            files = [path.read_text() for path in desk.paths.metrics.glob("*.prom")]
            told = [line.partition(" ")[0] for text in (scraped, *files) for line in text.splitlines()]
            series = [name for name in told if name.startswith("ost_job_last_run") and "features" in name]
            assert len(series) == len(set(series)) == 4
            places[textfile] = (len(files), "ost_job_last_run" in scraped)
            assert "ost_job_runs_total" in scraped
    assert places == {False: (0, True), True: (1, False)}


def test_textfiles_of_an_earlier_setting_are_taken_away_by_whichever_job_ends_next(tmp_path: Path) -> None:
    for textfile, job in ((True, "train"), (False, "features")):
        with Desk(settings_for(tmp_path, metrics={"textfile": textfile}), clock=FixedClock(NOW_MS)) as desk:
            recorder = Recorder(desk.ledger, desk.settings, desk.clock, Redactor.of(desk.settings))
            recorder.end(recorder.start(job, f"r{textfile}"), Verdict(True, 1, None, 0, {}), "success")
            assert [path.name for path in desk.paths.metrics.glob("*.prom")] == (
                ["sereno_train.prom"] if textfile else []
            )


def test_counters_do_not_fall_when_old_runs_are_forgotten(tmp_path: Path) -> None:
    with seeded_desk(tmp_path) as desk, TestClient(create_app(desk), base_url="http://127.0.0.1") as client:
        with desk.ledger.begin() as tx:
            for hours in (1, 2, 3):
                _run(tx, "collector", NOW_MS - hours * HOUR_MS, RunStatus.ERROR)
        before = counts(client.get("/metrics").text)
        with desk.ledger.begin() as tx:
            assert tx.execute(delete(runs.table)).rowcount > 3
        assert counts(client.get("/metrics").text) == before
    assert before["ingestion_failures_total", "", ""] == 3
    assert before["job_runs_total", "collector", "error"] == 3
    assert before["job_runs_total", "collector", "success"] == 1


def counts(text: str) -> dict[tuple[str, str, str], float]:
    """The ledger's counters by name, job and status."""
    return {
        (name, sample.labels.get("job", ""), sample.labels.get("status", "")): sample.value
        for name, family in families(text).items()
        for sample in family.samples
        if family.type == "counter" and "path" not in sample.labels
    }


def test_labels_are_escaped() -> None:
    odd = 'a "job"\\with\nall'
    (family,) = families(exposition(PREFIX, [Sample(JOB_SUCCESS, (odd, "paper"), 1.0)])).values()
    assert family.samples[0].labels == {"job": odd, "mode": "paper"}


def test_a_sample_without_all_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        exposition(PREFIX, [Sample(JOB_SUCCESS, ("collector",), 1.0)])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_no_fault(scraped: str, written: str) -> None:
    for text in (scraped, written):
        said = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (said.returncode, said.stdout + said.stderr) == (0, "")
