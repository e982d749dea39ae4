"""How quickly `sereno --help` answers, and what an idle desk keeps in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

HELP_TARGET_S = 0.3
IDLE_TARGET_MB = 500
RUNS = 7
SMALL = (
    "sim.port=0", "api.port=0", "sim.seconds_per_candle=3600", "candles.depth_days=120",
    "candles.depth_days_below_1h=10", "models.trials=0", "models.rounds=20", "models.min_rows=200",
)  # fmt: skip


def help_s() -> float:
    """Median time of the whole process."""
    script = Path(sys.executable).with_name("sereno")
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([script, "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return median(times)


def idle_mb(folder: Path) -> dict[str, float]:
    """Resident memory of scheduler, signals daemon and API, a while after the first pass."""
    words = [word for setting in SMALL for word in ("--set", setting)]
    desk = subprocess.Popen(
        [sys.executable, "-m", "sereno", *words, "up", "--no-table"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith("SERENO_")},
    )
    try:
        deadline = time.monotonic() + 180
        while not list(folder.glob("state/sim/*/run/api_address.json")):
            if time.monotonic() > deadline or desk.poll() is not None:
                raise SystemExit("the desk did not come up")
            time.sleep(0.5)
        time.sleep(20)
        found = {"scheduler": psutil.Process(desk.pid).memory_info().rss / 2**20}
        for child in psutil.Process(desk.pid).children():
            name = child.cmdline()[-1]
            if name in ("signals", "dashboard"):
                found[name] = child.memory_info().rss / 2**20
        return found
    finally:
        desk.send_signal(signal.SIGINT)
        desk.wait(60)


def main() -> int:
    """Exit status 1 when a target is missed."""
    took = help_s()
    print(f"sereno --help: {took:.3f} s (target {HELP_TARGET_S} s)")
    with tempfile.TemporaryDirectory() as folder:
        found = idle_mb(Path(folder))
    total = sum(found.values())
    print(
        f"idle desk: {total:.0f} MB resident (target {IDLE_TARGET_MB} MB): "
        + json.dumps({k: round(v) for k, v in found.items()})
    )
    return int(took > HELP_TARGET_S or total > IDLE_TARGET_MB or len(found) < 3)


if __name__ == "__main__":
    sys.exit(main())
