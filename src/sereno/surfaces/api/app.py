"""The HTTP API: read only, all state in ledger and lake."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sereno import __version__
from sereno.core.errors import SerenoError, SkipThis, TryLater
from sereno.ops.app import Desk
from sereno.ops.logs import Redactor
from sereno.surfaces.api import market_routes, page, reports, status_routes, trading_routes
from sereno.surfaces.api.asked import refuse_unknown
from sereno.surfaces.api.guards import Counter, Crowd, Doorkeeper, Envelope, Heads
from sereno.surfaces.api.health import Beats
from sereno.surfaces.api.shapes import ErrorShape
from sereno.surfaces.metrics import HttpMetrics

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorShape, "description": "the Host header is not of this desk"},
    401: {"model": ErrorShape, "description": "no token, or a wrong one"},
    404: {"model": ErrorShape, "description": "no such thing"},
    405: {"model": ErrorShape, "description": "only GET and HEAD are answered"},
    422: {"model": ErrorShape, "description": "a parameter is not understood, or not known"},
    500: {"model": ErrorShape, "description": "a fault of the desk; its log tells more"},
    503: {"model": ErrorShape, "description": "try again later"},
}

REFUSALS = {
    404: ("route.unknown", "see /openapi.json"),
    405: ("method.refused", "the desk is read only: ask with GET or HEAD"),
}


def create_app(desk: Desk) -> FastAPI:
    """The application over one desk."""
    app = FastAPI(
        title="Sereno",
        version=__version__,
        summary="A trading desk, read only.",
        description="HEAD is answered wherever GET is. Moments are UTC. A parameter that is not known is refused.",
        docs_url=None,
        redoc_url=None,
        responses=ERRORS,
        dependencies=[Depends(refuse_unknown)],
        redirect_slashes=False,
    )
    http_metrics = HttpMetrics(desk.settings.api.metrics_prefix)
    app.state.desk = desk
    app.state.beats = Beats()
    app.state.http_metrics = http_metrics
    for router in (
        status_routes.router,
        market_routes.router,
        trading_routes.router,
        page.router,
        reports.router,
    ):
        app.include_router(router)
    _handle_errors(app, Redactor.of(desk.settings))
    app.add_middleware(Heads)
    app.add_middleware(Crowd)
    app.add_middleware(Doorkeeper, settings=desk.settings.api)
    app.add_middleware(Counter, metrics=http_metrics)
    app.add_middleware(Envelope)
    return app


def _handle_errors(app: FastAPI, redactor: Redactor) -> None:
    def ours(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, SerenoError)
        status = 503 if isinstance(error, TryLater) else 404 if isinstance(error, SkipThis) else 500
        body = {"error": error.event, "remedy": redactor.text(error.remedy)}
        return JSONResponse(body, status_code=status)

    def misread(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()
        )
        return JSONResponse({"error": "request.invalid", "remedy": faults}, status_code=422)

    def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        event, remedy = REFUSALS.get(error.status_code, ("request.refused", error.detail))
        body = {"error": event, "remedy": remedy}
        allowed = {"Allow": "GET, HEAD"} if error.status_code == 405 else error.headers
        return JSONResponse(body, status_code=error.status_code, headers=allowed)

    def broken(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"error": "desk.fault", "remedy": "see the desk's log"}, status_code=500)

    app.add_exception_handler(SerenoError, ours)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, broken)
    app.add_exception_handler(RequestValidationError, misread)
