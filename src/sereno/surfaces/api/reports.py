"""The desk's reports, as they lie in its folder: read only, nothing but finished pages, nothing that runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse

from sereno.core.errors import SkipThis
from sereno.surfaces.api.asked import TheDesk

router = APIRouter()
NAME = r"^[A-Za-z0-9_-]+\.html$"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}
"""Reports are tables and pictures within the page; whatever else got into one stays dead."""


def pages_in(folder: Path) -> Mapping[str, Path]:
    """The pages that lie in a folder itself, by name, newest first; links to elsewhere are none."""
    found = [
        p for p in folder.glob("*.html") if re.fullmatch(NAME, p.name) and p.is_file() and not p.is_symlink()
    ]
    return {path.name: path for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)}


@router.get("/reports/{name}", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def report(desk: TheDesk, name: Annotated[str, InPath(max_length=80, pattern=NAME)]) -> HTMLResponse:
    """One report; the page at `/` links to those that there are."""
    path = pages_in(desk.paths.reports).get(name)
    if path is None:
        raise SkipThis("report.unknown", remedy="the page at / links to those that there are")
    return HTMLResponse(path.read_bytes(), headers=HEADERS)
