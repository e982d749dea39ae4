"""`python -m sereno`."""

from sereno.surfaces.cli.main import main

main()
