"""How far a running job is, told through one small file that the console reads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sereno.core.files import replace_file

MIN_GAP_S = 0.15


@dataclass(slots=True)
class ProgressFile:
    """Writer: `tell(label, done, total)`; rewrites the file a few times a second at most."""

    path: Path
    tasks: dict[str, tuple[int, int]] = field(default_factory=dict)
    _written: float = 0.0

    def tell(self, label: str, done: int, total: int) -> None:
        """`label` is `done` of `total` units along."""
        before = self.tasks.get(label)
        self.tasks[label] = (done, total)
        now = time.monotonic()
        if before is not None and done < total and now - self._written < MIN_GAP_S:
            return
        self._written = now
        replace_file(self.path, json.dumps(self.tasks))

    def clear(self) -> None:
        """The job is over."""
        self.path.unlink(missing_ok=True)


def read_progress(path: Path) -> dict[str, tuple[int, int]]:
    """Label → (done, total); empty when no such job runs."""
    try:
        told = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return {label: (int(done), int(total)) for label, (done, total) in told.items()}


def silent(_label: str, _done: int, _total: int) -> None:
    """For callers whom nobody watches."""


Tell = Callable[[str, int, int], None]
