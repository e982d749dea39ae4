"""The HTTP API: read only, all state in ledger and lake."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from sereno import __version__
from sereno.core.errors import SerenoError, SkipThis, TryLater
from sereno.ops.app import Desk
from sereno.ops.logs import Redactor
from sereno.surfaces.api import market_routes, page, status_routes, trading_routes
from sereno.surfaces.api.guards import Counter, Doorkeeper
from sereno.surfaces.api.shapes import ErrorShape
from sereno.surfaces.metrics import HttpMetrics

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorShape, "description": "the Host header is not of this desk"},
    401: {"model": ErrorShape, "description": "no token, or a wrong one"},
    404: {"model": ErrorShape, "description": "no such thing"},
    422: {"model": ErrorShape, "description": "a parameter is not understood"},
    503: {"model": ErrorShape, "description": "try again later"},
}


def create_app(desk: Desk) -> FastAPI:
    """The application over one desk."""
    app = FastAPI(
        title="Sereno",
        version=__version__,
        summary="A trading desk, read only.",
        docs_url=None,
        redoc_url=None,
        responses=ERRORS,
        redirect_slashes=False,
    )
    http_metrics = HttpMetrics(desk.settings.api.metrics_prefix)
    app.state.desk = desk
    app.state.http_metrics = http_metrics
    for router in (status_routes.router, market_routes.router, trading_routes.router, page.router):
        app.include_router(router)
    _handle_errors(app, Redactor.of(desk.settings))
    app.add_middleware(Doorkeeper, settings=desk.settings.api)
    app.add_middleware(Counter, metrics=http_metrics)
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

    app.add_exception_handler(SerenoError, ours)
    app.add_exception_handler(RequestValidationError, misread)
