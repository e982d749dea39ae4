"""The one door through which everything below gets its forecasts: the models that are `current`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from sereno.core.errors import SkipThis
from sereno.core.forecast import Forecast
from sereno.core.instrument import Series
from sereno.core.order import Side
from sereno.core.settings import BarrierSettings
from sereno.core.signal import Decision
from sereno.models.compose import Inputs, compose, missing, picked
from sereno.models.contract import Contributions, Forecasts, Frame, Role, Row
from sereno.models.outlook import Outlook, read_outlook
from sereno.store.registry import Artefact, ModelManifest, Registry

UNLESS_PINNED = "; what is pinned first needs `sereno models release`"


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """One role's model as it was loaded; `fell_back_from` names a damaged version that it replaces."""

    manifest: ModelManifest
    outlook: Outlook
    fell_back_from: str | None


class Forecaster:
    """The served models of one series, bound to one set of features.

    A batch and a single row give the same bits, so what was backtested is what is traded.
    """

    def __init__(self, served: Mapping[Role, Served], *, names: tuple[str, ...]) -> None:
        manifests = [one.manifest for one in served.values()]
        self._served = dict(served)
        self._outlooks = {role: one.outlook for role, one in served.items()}
        self._features = tuple(manifests[0].features)
        for manifest in manifests:
            if tuple(manifest.features) != self._features:
                raise SkipThis("models.feature_mismatch", remedy=f"train all roles again{UNLESS_PINNED}")
        self._order = picked(tuple(names), wanted=self._features)
        self._names = tuple(names)
        self._required = frozenset().union(*(_listed(m.extra.get("required", ())) for m in manifests))
        self.horizon_bars = _one_horizon(manifests)
        self.versions: Mapping[Role, str] = {role: one.manifest.version for role, one in served.items()}
        self.trained_ms = max(manifest.created_ms for manifest in manifests)
        """When the newest of them was trained: no candle that closed later shaped any."""
        self.model_version = ",".join(f"{role}={self.versions[role]}" for role in Role)

    @classmethod
    def load(
        cls,
        registry: Registry,
        series: Series,
        *,
        names: tuple[str, ...],
        barriers: BarrierSettings | None = None,
    ) -> Self:
        """The current version of every role, as one set.

        names      of the features that will be given
        barriers   of the desk; models that were trained for others are refused

        Raises SkipThis: `models.none`, `models.other_series`, `models.unreadable`,
        `models.feature_mismatch`, `models.label_mismatch`.
        """
        kept = registry.load_served(series, _roles_served(registry, series))
        served = {role: _opened(role, series, kept[role]) for role in Role}
        forecaster = cls(served, names=names)
        if barriers is not None:
            for one in served.values():
                _check_labels(one.manifest, barriers)
        return forecaster

    @property
    def kinds(self) -> Mapping[Role, str]:
        """`boosted` or `baseline`, by role."""
        return {role: outlook.kind for role, outlook in self._outlooks.items()}

    @property
    def fell_back(self) -> Mapping[Role, str]:
        """Roles whose current version was damaged, with that version."""
        return {r: s.fell_back_from for r, s in self._served.items() if s.fell_back_from is not None}

    def forecasts(self, frame: Frame) -> Forecasts:
        """One forecast a row; rows in warm-up are NaN. Raises SkipThis on other features."""
        order = self._order if frame.names == self._names else picked(frame.names, wanted=self._features)
        return self._compose(Inputs(frame.ts, frame.values[:, order], frame.atr, frame.close))

    def forecast(self, row: Row) -> Forecast:
        """The newest candle's forecast.

        Raises SkipThis: `forecast.incomplete` in warm-up or when a feature that training always had is
        missing, `models.feature_mismatch` for other features.
        """
        inputs = self._single(row)
        lacking = missing(inputs, self._features, self._required)
        if lacking:
            raise SkipThis(
                "forecast.incomplete", ts=row.ts, lacking=", ".join(lacking[:5]), count=len(lacking)
            )
        return self._compose(inputs).row(0)

    def contributions(self, row: Row, side: Side | Decision) -> Contributions:
        """What made the trend's probability for a side, in log-odds of it; nobody drives a baseline."""
        output = 0 if side.value.lower() == "long" else 1
        return self._outlooks[Role.TREND].contributions(self._single(row).x, output)

    def _single(self, row: Row) -> Inputs:
        order = self._order if row.names == self._names else picked(row.names, wanted=self._features)
        return Inputs(
            ts=np.array([row.ts], dtype=np.int64),
            x=np.asarray(row.values, dtype=np.float64)[order][None, :],
            atr=np.array([row.atr]),
            close=np.array([row.close]),
        )

    def _compose(self, inputs: Inputs) -> Forecasts:
        return compose(
            self._outlooks,
            inputs,
            names=self._features,
            required=self._required,
            horizon_bars=self.horizon_bars,
            model_version=self.model_version,
        )


def _roles_served(registry: Registry, series: Series) -> tuple[Role, ...]:
    """Every role. Raises SkipThis when one of them was never trained."""
    served = registry.served(series)
    for role in Role:
        if role not in served:
            raise SkipThis(
                "models.none", remedy="run `sereno train` first", role=role.value, series=series.key
            )
    return tuple(Role)


def _opened(role: Role, series: Series, artefact: Artefact) -> Served:
    manifest = artefact.manifest
    if manifest.series_key != series.key:
        raise SkipThis(
            "models.other_series",
            remedy="run `sereno train`: these models were learned from another venue or market",
            learned=manifest.series_key,
            wanted=series.key,
        )
    outlook = read_outlook(role, artefact.files, features=tuple(manifest.features))
    return Served(manifest, outlook, artefact.fell_back_from)


def _check_labels(manifest: ModelManifest, barriers: BarrierSettings) -> None:
    for name, wanted in barriers.model_dump(mode="json").items():
        learned = manifest.label_params.get(name)
        if learned != wanted:
            raise SkipThis(
                "models.label_mismatch",
                remedy=f"train again: the barriers were changed since{UNLESS_PINNED}",
                version=manifest.version,
                setting=f"barriers.{name}",
                learned=learned,
                wanted=wanted,
            )


def _one_horizon(manifests: list[ModelManifest]) -> int:
    horizons = {m.label_params.get("horizon_bars") for m in manifests}
    horizon = horizons.pop()
    if horizons or not isinstance(horizon, int):
        raise SkipThis("models.horizon_mismatch", remedy=f"train all roles again{UNLESS_PINNED}")
    return horizon


def _listed(raw: object) -> frozenset[str]:
    return frozenset(str(name) for name in raw) if isinstance(raw, list | tuple) else frozenset()
