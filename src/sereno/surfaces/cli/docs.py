"""`sereno docs`: pages that are made from tables in the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

docs_app = typer.Typer(help="Generated pages of docs/.", no_args_is_help=True)


@docs_app.command("write")
def docs_write(folder: Annotated[Path, typer.Argument(help="folder")] = Path("docs")) -> None:
    """Write the generated pages."""
    from sereno.ops.docs import write_pages

    for path in write_pages(folder):
        typer.echo(f"wrote {path}")


@docs_app.command("check")
def docs_check(folder: Annotated[Path, typer.Argument(help="folder")] = Path("docs")) -> None:
    """Fail if a generated page differs from the code."""
    from sereno.ops.docs import stale_pages

    stale = stale_pages(folder)
    for path in stale:
        typer.echo(f"{path} is out of date: run `sereno docs write`", err=True)
    raise typer.Exit(1 if stale else 0)
