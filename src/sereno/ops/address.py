"""Where a running part of the desk listens: one small file each, which names the process that wrote it."""

from __future__ import annotations

import errno
import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from sereno.core.errors import FixConfig
from sereno.core.files import replace_file
from sereno.core.settings import ApiSettings, Paths
from sereno.ops.process import holder_name, is_dead

SIM_ADDRESS = "sim_address.json"
API_ADDRESS = "api_address.json"
_log = structlog.get_logger("sereno.address")


@dataclass(frozen=True, slots=True)
class Address:
    """What a listener told of itself."""

    url: str
    holder: str

    @property
    def is_stale(self) -> bool:
        """Whether its process is certainly gone."""
        return is_dead(self.holder)


def write_address(path: Path, url: str) -> None:
    """Tell that this process listens there."""
    replace_file(path, json.dumps(asdict(Address(url, holder_name()))))


def read_address(path: Path) -> Address | None:
    """What was told last; None when nothing was, or when it cannot be read, as after a power cut."""
    try:
        told = json.loads(path.read_text())
        return Address(str(told["url"]), str(told["holder"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as cause:
        _log.warning("address.unreadable", path=str(path), error=str(cause))
        return None


def remove_address(path: Path) -> None:
    """Take back what this process told; what another one told since stays."""
    told = read_address(path)
    if told is not None and told.holder == holder_name():
        path.unlink(missing_ok=True)


def api_address(paths: Paths) -> str:
    """Where the API of this desk listens; empty when it does not."""
    told = read_address(paths.run / API_ADDRESS)
    return "" if told is None or told.is_stale else told.url


def sim_address(paths: Paths) -> str:
    """Where the simulator of this world listens. Raises FixConfig when none has said so."""
    told = read_address(paths.run / SIM_ADDRESS)
    if told is None:
        raise FixConfig(
            "sim.no_address",
            remedy="the simulator is not running: start it with `sereno sim` or use `sereno up`",
        )
    return told.url


def listen(settings: ApiSettings) -> socket.socket:
    """A listening socket. Raises FixConfig when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as cause:
        listener.close()
        taken = cause.errno == errno.EADDRINUSE
        raise FixConfig(
            "api.port_in_use" if taken else "api.cannot_listen",
            remedy="another program listens there: stop it, or set api.port (0 takes a free one)"
            if taken
            else "set api.host to an address of this machine",
            address=f"{settings.host}:{settings.port}",
        ) from cause
    return listener
