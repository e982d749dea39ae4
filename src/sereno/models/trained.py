"""What a training comes from, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sereno.core.instrument import Series
from sereno.core.timeframe import UtcMs, iso
from sereno.models.contract import Role
from sereno.models.walkforward import Fold
from sereno.store.registry import ModelManifest, Pin


@dataclass(frozen=True, slots=True)
class RoleReport:
    """One role after training. `evaluation` holds scores, curves, importance, slices and parameters.

    chosen    what the gate chose: the new trees, the ones that served before, or the baseline
    served    what serves; another than the chosen where a person holds it with `pin`
    no_duel   why the trees were not compared with what served; None when they were, or for a reused role
    fresh     whether this training is told of, or one before it
    """

    role: Role
    chosen: ModelManifest
    served: ModelManifest
    trees: ModelManifest
    baseline: ModelManifest
    reused: bool
    evaluation: Mapping[str, Any]
    pin: Pin | None = None
    no_duel: str | None = None
    fresh: bool = True

    @property
    def held(self) -> str | None:
        """Why the chosen version does not serve; None when it does."""
        if self.pin is None or self.chosen.version == self.served.version:
            return None
        since = f"{self.served.version} is pinned since {iso(self.pin.at_ms)} by {self.pin.by}"
        return f"{self.chosen.version} would serve, but {since}"


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """One series after training.

    rows    labelled ones; 0 where a training before this is told of
    fold    the procedure as it would have gone had it ended where the test slice begins, and its forecasts
            of that slice: no row of it chose between models. None for a single role or too few rows
            (`fault` says why)
    """

    series: Series
    created_ms: UtcMs
    rows: int
    data_digest: str
    settings_digest: str
    git_commit: str
    roles: tuple[RoleReport, ...]
    fold: Fold | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Origins:
    """What a model comes from: equal origins, equal model."""

    created_ms: UtcMs
    git_commit: str
    data_digest: str
    settings_digest: str
    label_params: Mapping[str, Any]
