"""A whole desk as a person starts it: `sereno` in a process of its own, with settings as words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sereno.core.settings import Settings, load

SMALL = {
    "sim.port": "0",
    "candles.beside": "1d",
    "candles.depth_days": "80",
    "models.trials": "0",
    "models.rounds": "12",
    "models.min_rows": "150",
}
EAGER = {
    "costs.fee_bps": "1",
    "costs.slippage_bps": "0.5",
    "signals.prob_min": "0.3",
    "signals.min_expected_return": "0",
    "signals.risk_max": "1",
    "signals.cooldown_bars": "0",
}
"""Costs and floors so low that a small model's least edge is traded."""


def settings_of(folder: Path, given: Mapping[str, str]) -> Settings:
    """The settings that `sereno` makes of the same words."""
    overrides = {"state_dir": str(folder / "state"), **given}
    return load(env={}, cwd=folder, overrides=overrides).settings


def sereno(
    folder: Path,
    given: Mapping[str, str],
    *words: str,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 240,
) -> str:
    """Run a command to its end; what it said. It must go well."""
    told = [f"--set={key}={value}" for key, value in {"state_dir": str(folder / "state"), **given}.items()]
    done = subprocess.run(
        [sys.executable, "-m", "sereno", *told, *words],
        cwd=folder,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("SERENO_")}, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    logs = "".join(
        f"\n{path.name}: {path.read_text()[-1500:]}" for path in sorted(folder.glob("state/**/logs/*.log"))
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{logs}"
    return done.stdout
