"""Run every benchmark and write `RESULTS.md`: each script prints its own figures and targets."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def machine() -> str:
    """One line about this machine."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, {platform.system()} {platform.release()}"


def main() -> int:
    """Exit status: number of benchmarks that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks to run, for example bench_features; default all")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    chosen = parser.parse_args()
    scripts = [s for s in sorted(HERE.glob("bench_*.py")) if not chosen.names or s.stem in chosen.names]
    sections, failures = [], 0
    for script in scripts:
        print(f"== {script.stem}", flush=True)
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, timeout=1800, check=False
        )
        failures += done.returncode != 0
        text = done.stdout.strip() + (
            f"\nFAILED ({done.returncode})\n{done.stderr.strip()[-2000:]}" if done.returncode else ""
        )
        print(text, flush=True)
        sections.append(f"## {script.stem.removeprefix('bench_')}\n\n```text\n{text}\n```\n")
    if chosen.write:
        head = f"# Results\n\nMeasured {time.strftime('%Y-%m-%d', time.gmtime())} on {machine()}, by `make bench`.\n\n"
        (HERE / "RESULTS.md").write_text(head + "\n".join(sections))
    return failures


if __name__ == "__main__":
    sys.exit(main())
