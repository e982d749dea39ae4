"""Routes about the desk itself: health, metrics, runs, jobs, models."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from sereno.ops.facts import FAILED, job_states, last_run, world_ended_ms
from sereno.ops.jobs import COLLECTOR, FEATURES, POSITIONS, SIGNAL_ROUND, TRAIN
from sereno.ops.served import pointers
from sereno.store.ledger import model_versions, runs
from sereno.surfaces.api import health as checks
from sereno.surfaces.api.asked import Limit, TheDesk
from sereno.surfaces.api.desk_facts import read_facts
from sereno.surfaces.api.shapes import (
    HealthShape,
    JobShape,
    LastRunShape,
    ModelShape,
    ModelsShape,
    RunShape,
    moment,
)
from sereno.surfaces.metrics import HttpMetrics, desk_metrics

FAILED_SHOWN = 10
router = APIRouter()


@router.get("/health", responses={503: {"model": HealthShape, "description": "something fails"}})
def health(request: Request, desk: TheDesk) -> HealthShape:
    """Fails (503) when a daemon, the lake, the ledger, the disk or the clock fails, or a job froze the entries."""
    found = checks.look(desk, beats=request.app.state.beats)
    shape = HealthShape(
        status="ok" if found.well else "failing",
        mode=desk.mode,
        desk_time=moment(found.now_ms),
        reasons=list(found.reasons),
        checks=found.checks,
        world_ended=moment(found.world_ended_ms),
        notes=list(found.notes),
    )
    if found.well:
        return shape
    return JSONResponse(shape.model_dump(), status_code=503)  # type: ignore[return-value]


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, desk: TheDesk) -> Response:
    """Prometheus text: this process's requests and what the ledger knows of the jobs."""
    own: HttpMetrics = request.app.state.http_metrics
    prefix = desk.settings.api.metrics_prefix
    return Response(
        own.text() + desk_metrics(prefix, read_facts(desk)),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )


@router.get("/api/v1/diagnostics/last-run")
def last_runs(desk: TheDesk) -> LastRunShape:
    """The newest run of each step along the path of the data, and the newest failures."""
    ended = world_ended_ms(desk.settings, checks.look_at_clock(desk))
    with desk.ledger.read() as tx:

        def newest(name: str) -> RunShape | None:
            run = last_run(tx, name, desk.mode)
            return RunShape.of(run) if run else None

        failed = runs.latest(tx, None, FAILED_SHOWN, mode=desk.mode, statuses=FAILED)
        return LastRunShape(
            world_ended=moment(ended),
            ingestion=newest(COLLECTOR),
            features=newest(FEATURES),
            training=newest(TRAIN),
            signals=newest(SIGNAL_ROUND),
            positions=newest(POSITIONS),
            failed=[RunShape.of(run) for run in failed],
        )


@router.get("/api/v1/jobs")
def jobs(desk: TheDesk) -> list[JobShape]:
    """The table of jobs with newest and next run."""
    now = checks.look_at_clock(desk)
    with desk.ledger.read() as tx:
        states = job_states(tx, desk.settings)
    return [JobShape.of(state, now, desk.settings.jobs.timezone) for state in states]


@router.get("/api/v1/models")
def models(desk: TheDesk, limit: Limit = 100, serving: bool | None = None) -> ModelsShape:
    """Model versions, newest first, refused ones with their reason. What serves is what the registry says."""
    with desk.ledger.read() as tx:
        found = model_versions.recent(tx, limit, serving=serving)
    told = pointers(desk)
    shapes = [ModelShape.of(model, told.get(model.series_key)) for model in found]
    return ModelsShape(models=[shape for shape in shapes if serving in (None, shape.serving)])
