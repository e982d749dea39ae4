"""The job `dashboard`: uvicorn in this process, ending when the runner says so."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import structlog

from sereno.core.settings import ApiSettings, is_loopback
from sereno.ops.address import API_ADDRESS, listen, remove_address, write_address
from sereno.ops.run import Outcome, Run

if TYPE_CHECKING:
    import uvicorn

    from sereno.ops.app import Desk
    from sereno.surfaces.api.guards import AsgiApp

WATCH_S = 0.5
KEEP_ALIVE_S = 5
_log = structlog.get_logger("sereno.api")


def serve(desk: Desk, run: Run) -> Outcome:
    """Serve until asked to stop. Raises FixConfig when the address cannot be had."""
    from sereno.surfaces.api.app import create_app

    listener = listen(desk.settings.api)
    address = url_of(desk.settings.api, listener)
    server = server_of(create_app(desk))
    told = desk.paths.run / API_ADDRESS
    try:
        write_address(told, address)
        _log.info("api.ready", address=address)
        asyncio.run(_serve(server, listener, run))
    finally:
        listener.close()
        remove_address(told)
    return Outcome()


def server_of(app: AsgiApp) -> uvicorn.Server:
    """The server of an application. How much may run at once, `guards.Crowd` says."""
    import uvicorn

    from sereno.surfaces.api.connection import Connection

    config = uvicorn.Config(
        app,
        http=Connection,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=5,
        ws="none",
    )
    return uvicorn.Server(config)


async def _serve(server: uvicorn.Server, listener: socket.socket, run: Run) -> None:
    async def watch() -> None:
        while not run.stopping():
            run.alive()
            await asyncio.sleep(WATCH_S)
        server.should_exit = True

    watcher = asyncio.create_task(watch())
    await server._serve([listener])
    watcher.cancel()


def url_of(settings: ApiSettings, listener: socket.socket) -> str:
    """Address for people."""
    host = settings.host if is_loopback(settings.host) else socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
