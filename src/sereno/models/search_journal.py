"""The file in which a search for parameters keeps its trials, so that a killed one goes on where it was.

Optuna's journal of JSON lines, without its snapshots, which it would pickle. One process writes at a time:
training holds a lease.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sereno.core.files import replace_file

if TYPE_CHECKING:
    import optuna

STUDY = "search"


def opened(path: Path | None) -> optuna.Study:
    """The search that the file holds, or a new one; without a path it lives in memory alone.

    Trials during which a process died count as failed: they are tried again.
    """
    import optuna

    study = optuna.create_study(
        study_name=STUDY,
        storage=None if path is None else _storage(path),
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
        load_if_exists=True,
    )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _storage(path: Path) -> optuna.storages.JournalStorage:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # a dead writer's; Optuna would wait for it
    if path.exists():
        replace_file(path, whole_lines(path.read_bytes()))
    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def whole_lines(raw: bytes) -> bytes:
    """The lines up to the first that is no JSON object: a kill may have left a part of the last one."""
    kept = 0
    for line in raw.splitlines(keepends=True):
        if not line.endswith(b"\n") or not _is_object(line):
            break
        kept += len(line)
    return raw[:kept]


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
