"""What the command line may load on its way to `--help`."""

from __future__ import annotations

import subprocess
import sys


def test_ccxt_is_loaded_when_a_venue_is_opened_and_not_before() -> None:
    program = (
        "import sys; import sereno.market.collect, sereno.market.venues, sereno.market.venues.ccxt_venue;"
        "print([name for name in sys.modules if name.split('.')[0] in ('ccxt', 'aiohttp', 'tenacity')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
